import FoundationEssentials

/// Where a value stands in a JSON text, and what it is.
struct JSONValue {
    let kind: Kind
    /// Offsets from the text's start.
    let range: Range<Int>

    enum Kind {
        case null
        case bool(Bool)
        case number
        case string(hasEscapes: Bool)
        /// Nobody asks for what is in it.
        case array
        case object([Member])
    }

    struct Member {
        let name: JSONValue
        let value: JSONValue
    }
}

/// A value in its text, with the path to it for whoever has to be told what is wrong there.
struct JSONElement {
    private let text: Data
    private let value: JSONValue
    /// Where it stands: the path of what holds it, and its own name. They are put together for an error only.
    private let place: Place

    private struct Place {
        var path = ""
        var name: Name = .known("")
    }

    /// A name that was asked for costs nothing as long as nobody has to read it.
    fileprivate enum Name: CustomStringConvertible {
        case known(StaticString)
        case found(String)

        var description: String {
            switch self {
            case .known(let name): "\(name)"
            case .found(let name): name
            }
        }
    }

    private var path: String { place.path.isEmpty ? "\(place.name)" : "\(place.path).\(place.name)" }

    /// Nil where the bytes are no JSON text.
    init?(_ text: Data) {
        guard let value = JSONParser.parse(text) else { return nil }
        self.init(text: text, value: value, place: Place())
    }

    private init(text: Data, value: JSONValue, place: Place) {
        self.text = text
        self.value = value
        self.place = place
    }

    /// The value's bytes.
    var bytes: Data { slice(value.range) }

    var isNull: Bool { if case .null = value.kind { true } else { false } }

    /// The text of a string, also where it holds one escape after the other; nil for anything else, and for what is no UTF-8.
    var string: String? {
        guard case .string(let hasEscapes) = value.kind else { return nil }
        guard !hasEscapes else { return try? JSONDecoder().decode(String.self, from: bytes) }
        return stringBytes.withUnsafeBytes { (bytes: UnsafeRawBufferPointer) in
            // Nearly every string is ASCII, which has to be seen only; to have it validated costs five times as much.
            bytes.contains { $0 >= 0x80 } ? String(validating: bytes, as: UTF8.self) : String(decoding: bytes, as: UTF8.self)
        }
    }

    /// What stands between a string's quotation marks, for a text without escapes.
    private var stringBytes: Data { slice(value.range.lowerBound + 1..<value.range.upperBound - 1) }

    /// What a string holds in base64.
    ///
    /// - Throws: ``EnvelopeError`` where it is no string, or no base64.
    func base64() throws(EnvelopeError) -> Data {
        guard case .string(let hasEscapes) = value.kind else { throw wrongType }
        // A slash may be written with an escape.
        let text = hasEscapes ? Data((string ?? "%").utf8) : stringBytes
        guard let data = Data(base64Encoded: text) else { throw .malformed("\(path) is not base64") }
        return data
    }

    func requireString() throws(EnvelopeError) -> String {
        guard let string else { throw wrongType }
        return string
    }

    func integer() throws(EnvelopeError) -> Int {
        guard case .number = value.kind, let number = Int(String(decoding: bytes, as: UTF8.self)) else { throw wrongType }
        return number
    }

    /// Strings, integers and booleans as text, as a CloudEvents attribute has them; nil for null.
    ///
    /// Source: CloudEvents specification 1.0.2, "Type System".
    func attribute() throws(EnvelopeError) -> String? {
        switch value.kind {
        case .null: return nil
        case .bool(let flag): return String(flag)
        case .number: return String(try integer())
        case .string: return try requireString()
        case .array, .object: throw wrongType
        }
    }

    func object() throws(EnvelopeError) -> JSONObject {
        guard case .object(let members) = value.kind else { throw wrongType }
        return JSONObject(holder: self, path: path, members: members)
    }

    /// A member of this object, which stands at the path.
    fileprivate func member(_ member: JSONValue, _ path: String, _ name: Name) -> JSONElement {
        JSONElement(text: text, value: member, place: Place(path: path, name: name))
    }

    /// The text of a member's name; nil where it is no UTF-8.
    fileprivate func text(of name: JSONValue) -> String? { JSONElement(text: text, value: name, place: place).string }

    /// The last of the members with this name. Names are compared by their bytes: to make a string of each would cost more than to read the text.
    fileprivate func last(_ members: [JSONValue.Member], named name: StaticString) -> JSONValue? {
        text.withUnsafeBytes { (bytes: UnsafeRawBufferPointer) -> JSONValue? in
            members.last { member in
                guard case .string(hasEscapes: false) = member.name.kind else { return self.text(of: member.name) == "\(name)" }
                let start = member.name.range.lowerBound + 1
                guard member.name.range.upperBound - 1 - start == name.utf8CodeUnitCount else { return false }
                return (0..<name.utf8CodeUnitCount).allSatisfy { bytes[start + $0] == name.utf8Start[$0] }
            }?.value
        }
    }

    var wrongType: EnvelopeError { .malformed(path.isEmpty ? "the body is not a JSON object" : "\(path) has the wrong type") }

    private func slice(_ range: Range<Int>) -> Data {
        text[text.startIndex + range.lowerBound..<text.startIndex + range.upperBound]
    }
}

/// An object's members by their names. Of several with one name the last counts.
struct JSONObject {
    private let holder: JSONElement
    /// The holder's; each member's begins with it.
    private let path: String
    private let members: [JSONValue.Member]

    fileprivate init(holder: JSONElement, path: String, members: [JSONValue.Member]) {
        self.holder = holder
        self.path = path
        self.members = members
    }

    /// One that is null is not there.
    subscript(name: StaticString) -> JSONElement? {
        guard let element = element(name), !element.isNull else { return nil }
        return element
    }

    /// The first of two spellings that is there.
    subscript(name: StaticString, other: StaticString) -> JSONElement? { self[name] ?? self[other] }

    /// Also one that is null.
    func element(_ name: StaticString) -> JSONElement? {
        holder.last(members, named: name).map { holder.member($0, path, .known(name)) }
    }

    func require(_ name: StaticString) throws(EnvelopeError) -> JSONElement {
        guard let element = element(name) else {
            throw .malformed("\(path.isEmpty ? "" : "\(path).")\(name) is missing")
        }
        return element
    }

    /// All of them, in their order.
    ///
    /// - Throws: ``EnvelopeError`` where a name is no UTF-8.
    func forEach(_ body: (String, JSONElement) throws(EnvelopeError) -> Void) throws(EnvelopeError) {
        for member in members {
            guard let name = holder.text(of: member.name) else { throw holder.wrongType }
            try body(name, holder.member(member.value, path, .found(name)))
        }
    }
}
