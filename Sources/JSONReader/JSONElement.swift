package import FoundationEssentials

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

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
        /// Its elements are read when they are asked for.
        case array
        case object([Member])
        /// One whose members were not kept: it lies too deep, or has too many.
        case skippedObject
    }

    struct Member {
        let name: JSONValue
        let value: JSONValue
    }
}

/// What is wrong with a value in a JSON text: the reason names the place, and quotes nothing.
package struct JSONFault: Error, Equatable {
    package var reason: String

    package init(_ reason: String) { self.reason = reason }
}

/// A value in its text, with the path to it for whoever has to be told what is wrong there.
package struct JSONElement {
    private let text: Data
    private let value: JSONValue
    /// Where it stands: the path of what holds it, and its own name. They are put together for an
    /// error only.
    private let place: Place

    private struct Place {
        var path = ""
        var name: Name = .known("")
    }

    /// A name that was asked for costs nothing as long as nobody has to read it.
    enum Name: CustomStringConvertible {
        case known(StaticString)
        case found(String)
        case index(Int)

        var description: String {
            switch self {
            case .known(let name): name.description
            // It comes from outside, and ends in logs and answers.
            case .found(let name): name.cut(to: 64)
            case .index(let index): String(index)
            }
        }
    }

    /// Where it stands: names and indices, joined by dots, from the text or the array's element
    /// that was read; empty for the whole text.
    package var path: String { place.path.isEmpty ? place.name.description : "\(place.path).\(place.name)" }

    /// Nil where the bytes are no JSON text.
    package init?(_ text: Data) {
        guard let value = JSONParser.parse(text) else { return nil }
        self.init(text: text, value: value, place: Place())
    }

    private init(text: Data, value: JSONValue, place: Place) {
        self.text = text
        self.value = value
        self.place = place
    }

    /// The value's bytes.
    package var bytes: Data { slice(value.range) }

    /// A value that holds no other.
    package enum Scalar {
        case null
        case bool(Bool)
        case number(digits: String)
        case string
    }

    /// Nil for an array and an object.
    package var scalar: Scalar? {
        switch value.kind {
        case .null: .null
        case .bool(let flag): .bool(flag)
        case .number: .number(digits: String(decoding: bytes, as: UTF8.self))
        case .string: .string
        case .array, .object, .skippedObject: nil
        }
    }

    package var isNull: Bool { if case .null = value.kind { true } else { false } }

    /// The text of a string; nil for anything else, and for what is not UTF-8.
    package var string: String? {
        guard case .string(let hasEscapes) = value.kind else { return nil }
        if hasEscapes { return unescaped(stringBytes).flatMap { String(validating: $0, as: UTF8.self) } }
        return stringBytes.withUnsafeBytes { (bytes: UnsafeRawBufferPointer) in
            // Nearly every string is ASCII, which has to be seen only; to have it validated costs
            // five times as much.
            bytes.contains { $0 >= 0x80 } ? String(validating: bytes, as: UTF8.self) : String(decoding: bytes, as: UTF8.self)
        }
    }

    /// The bytes of a string's text, which may be no UTF-8.
    ///
    /// - Throws: ``JSONFault`` where it is no string, or has half of a surrogate pair.
    package func unescapedText() throws(JSONFault) -> Data {
        guard case .string(let hasEscapes) = value.kind else { throw wrongType }
        guard hasEscapes else { return stringBytes }
        guard let text = unescaped(stringBytes) else { throw wrongType }
        return text
    }

    /// What stands between a string's quotation marks.
    private var stringBytes: Data { slice(value.range.lowerBound + 1..<value.range.upperBound - 1) }

    /// What a string holds in base64.
    ///
    /// - Throws: ``JSONFault`` where it is no string, or no base64.
    package func base64() throws(JSONFault) -> Data {
        // A slash may be written with an escape.
        guard let data = Data(base64Encoded: try unescapedText()) else { throw JSONFault("\(path) is not base64") }
        return data
    }

    package func requireString() throws(JSONFault) -> String {
        guard let string else { throw wrongType }
        return string
    }

    package func integer() throws(JSONFault) -> Int {
        guard case .number = value.kind, let number = Int(String(decoding: bytes, as: UTF8.self)) else { throw wrongType }
        return number
    }

    /// Strings, integers and booleans as text, as a CloudEvents attribute has them; nil for null.
    ///
    /// Source: CloudEvents specification 1.0.2, "Type System".
    package func attribute() throws(JSONFault) -> String? {
        switch value.kind {
        case .null: return nil
        case .bool(let flag): return String(flag)
        case .number: return String(try integer())
        case .string: return try requireString()
        case .array, .object, .skippedObject: throw wrongType
        }
    }

    package func object() throws(JSONFault) -> JSONObject {
        switch value.kind {
        case .object(let members): return JSONObject(holder: self, path: path, members: members)
        case .skippedObject:
            throw JSONFault("\(path.isEmpty ? "the body" : path) has too many members: more than \(JSONParser.maximumMembers)")
        default: throw wrongType
        }
    }

    /// Reads an array's elements one after the other.
    ///
    /// - Throws: ``JSONFault`` where it is no array, and what the body throws.
    package func forEachElement(_ body: (JSONElement) throws(JSONFault) -> Void) throws(JSONFault) {
        guard case .array = value.kind else { throw wrongType }
        var index = 0
        try JSONParser.forEachElement(of: text, in: value.range) { (value) throws(JSONFault) in
            do throws(JSONFault) {
                try body(JSONElement(text: text, value: value, place: Place(name: .index(index))))
            } catch {
                // To write each element's whole path down beforehand would take longer than to read
                // it.
                throw JSONFault(path.isEmpty ? error.reason : "\(path).\(error.reason)")
            }
            index += 1
        }
    }

    /// A member of this object, which stands at the path.
    func member(_ member: JSONValue, _ path: String, _ name: Name) -> JSONElement {
        JSONElement(text: text, value: member, place: Place(path: path, name: name))
    }

    /// The text of a member's name; nil where it is no UTF-8.
    func text(of name: JSONValue) -> String? { JSONElement(text: text, value: name, place: place).string }

    /// The last of the members with this name. Names are compared by their bytes: to make a string
    /// of each would cost more than to read the text.
    func last(_ members: [JSONValue.Member], named name: UnsafeBufferPointer<UInt8>) -> JSONValue? {
        var index = members.count
        while index > 0 {
            index -= 1
            let found = members[index].name
            if case .string(hasEscapes: false) = found.kind {
                // Most names differ in length.
                guard found.range.count - 2 == name.count else { continue }
                let isSame = text.withUnsafeBytes {
                    memcmp($0.baseAddress! + found.range.lowerBound + 1, name.baseAddress!, name.count) == 0
                }
                if isSame { return members[index].value }
            } else if text(of: found)?.utf8.elementsEqual(name) == true {
                return members[index].value
            }
        }
        return nil
    }

    package var wrongType: JSONFault { JSONFault(path.isEmpty ? "the body is not a JSON object" : "\(path) has the wrong type") }

    private func slice(_ range: Range<Int>) -> Data {
        text[text.startIndex + range.lowerBound..<text.startIndex + range.upperBound]
    }
}
