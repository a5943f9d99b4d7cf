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
    private let place: (path: String, name: String)

    private var path: String { place.path.isEmpty ? place.name : "\(place.path).\(place.name)" }

    /// Nil where the bytes are no JSON text.
    init?(_ text: Data) {
        guard let value = JSONParser.parse(text) else { return nil }
        self.init(text: text, value: value, place: ("", ""))
    }

    private init(text: Data, value: JSONValue, place: (String, String)) {
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
        return String(validating: stringBytes, as: UTF8.self)
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

    /// The names and values of an object, in their order.
    func members() throws(EnvelopeError) -> [(name: String, value: JSONElement)] {
        guard case .object(let members) = value.kind else { throw wrongType }
        let path = path
        var result: [(String, JSONElement)] = []
        result.reserveCapacity(members.count)
        for member in members {
            guard let name = JSONElement(text: text, value: member.name, place: place).string else { throw wrongType }
            result.append((name, JSONElement(text: text, value: member.value, place: (path, name))))
        }
        return result
    }

    var wrongType: EnvelopeError { .malformed(path.isEmpty ? "the body is not a JSON object" : "\(path) has the wrong type") }

    private func slice(_ range: Range<Int>) -> Data {
        text[text.startIndex + range.lowerBound..<text.startIndex + range.upperBound]
    }
}

/// An object's members by their names. Of several with one name the last counts; one that is null is not there.
struct JSONObject {
    private let members: [(name: String, value: JSONElement)]
    private let prefix: String

    /// - Parameter path: of the object, for whoever has to be told what is missing.
    init(_ element: JSONElement, path: String = "") throws(EnvelopeError) {
        members = try element.members()
        prefix = path.isEmpty ? "" : path + "."
    }

    var names: some Sequence<String> { members.lazy.map(\.name) }

    /// The first of the names that is there.
    subscript(names: String...) -> JSONElement? {
        for name in names {
            if let value = members.last(where: { $0.name == name })?.value, !value.isNull { return value }
        }
        return nil
    }

    /// Also one that is null.
    func element(_ name: String) -> JSONElement? { members.last { $0.name == name }?.value }

    func require(_ name: String) throws(EnvelopeError) -> JSONElement {
        guard let value = element(name) else { throw .malformed("\(prefix)\(name) is missing") }
        return value
    }
}
