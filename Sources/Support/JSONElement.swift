package import FoundationEssentials

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// A value in its JSON text, with its path for error messages.
package struct JSONElement {
    private let text: Data
    private let value: JSONValue
    /// The path of the parent, and the element's own name. They are joined only for an error.
    private let location: Location

    private struct Location {
        var parent = ""
        var name = ""
    }

    /// The path: names and indices, joined by dots. It starts at the text or the array element that
    /// was read, and is empty for the whole text.
    package var path: String { location.parent.isEmpty ? location.name : "\(location.parent).\(location.name)" }

    /// Fails if the bytes are not JSON text.
    package init?(_ text: Data) {
        // RFC 8259, section 8.1, lets a parser ignore a byte order mark.
        let text = text.starts(with: [0xef, 0xbb, 0xbf]) ? Data(text.dropFirst(3)) : text
        guard let value = JSONParser.parse(text) else { return nil }
        self.init(text: text, value: value, location: Location())
    }

    private init(text: Data, value: JSONValue, location: Location) {
        self.text = text
        self.value = value
        self.location = location
    }

    /// The value's bytes.
    package var bytes: Data { slice(value.range) }

    /// A value that is neither an array nor an object.
    package enum Scalar {
        case null
        case bool(Bool)
        case number(digits: String)
        case string
    }

    /// Nil for an array or an object.
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

    /// The text of a string; nil for any other value, and for invalid UTF-8.
    package var string: String? {
        guard case .string(let hasEscapes) = value.kind else { return nil }
        if hasEscapes { return unescaped(stringBytes).flatMap { String(validating: $0, as: UTF8.self) } }
        return stringBytes.withUnsafeBytes { (bytes: UnsafeRawBufferPointer) in
            // Nearly every string is ASCII. Validation costs five times as much as checking for
            // ASCII.
            bytes.contains { $0 >= 0x80 } ? String(validating: bytes, as: UTF8.self) : String(decoding: bytes, as: UTF8.self)
        }
    }

    /// The unescaped bytes of a string, which may be invalid UTF-8.
    ///
    /// - Throws: ``JSONFault`` if the value is not a string, or has an unpaired surrogate.
    package func unescapedText() throws(JSONFault) -> Data {
        guard case .string(let hasEscapes) = value.kind else { throw wrongType }
        guard hasEscapes else { return stringBytes }
        guard let text = unescaped(stringBytes) else { throw wrongType }
        return text
    }

    /// The bytes between a string's quotation marks.
    private var stringBytes: Data { slice(value.range.lowerBound + 1..<value.range.upperBound - 1) }

    /// Decodes a base64 string.
    ///
    /// - Throws: ``JSONFault`` if the value is not a string, or not base64.
    package func base64() throws(JSONFault) -> Data {
        // A slash may be escaped.
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

    /// A string, integer or boolean as the text of a CloudEvents attribute; nil for null.
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

    /// Reads an array's elements in order.
    ///
    /// - Throws: ``JSONFault`` if the value is not an array, and what the body throws.
    package func forEachElement(_ body: (JSONElement) throws(JSONFault) -> Void) throws(JSONFault) {
        guard case .array = value.kind else { throw wrongType }
        var index = 0
        try JSONParser.forEachElement(of: text, in: value.range) { (value) throws(JSONFault) in
            do throws(JSONFault) {
                try body(JSONElement(text: text, value: value, location: Location(name: String(index))))
            } catch {
                // Adds the path only to an error: building it for each element would take longer
                // than reading the element.
                throw JSONFault(path.isEmpty ? error.reason : "\(path).\(error.reason)")
            }
            index += 1
        }
    }

    /// A member of this object, which is at `path`. Its name may be external text, which ends up in
    /// logs and answers.
    func member(_ member: JSONValue, _ path: String, _ name: String) -> JSONElement {
        JSONElement(text: text, value: member, location: Location(parent: path, name: name.cut(to: 64)))
    }

    /// The text of a member's name; nil if it is not UTF-8.
    func text(of name: JSONValue) -> String? { JSONElement(text: text, value: name, location: location).string }

    /// The last member with this name.
    func last(_ members: [JSONValue.Member], named name: String) -> JSONValue? {
        // Making a string of each name would cost more than parsing the text.
        let index = members.indices.last { index in
            let range = members[index].name.range
            guard case .string(hasEscapes: false) = members[index].name.kind else {
                return text(of: members[index].name)?.utf8.elementsEqual(name.utf8) == true
            }
            guard range.count - 2 == name.utf8.count else { return false }
            return text.withUnsafeBytes { text in
                name.utf8.withContiguousStorageIfAvailable {
                    memcmp(text.baseAddress! + range.lowerBound + 1, $0.baseAddress!, $0.count) == 0
                }
            } ?? false
        }
        return index.map { members[$0].value }
    }

    package var wrongType: JSONFault { JSONFault(path.isEmpty ? "the body is not a JSON object" : "\(path) has the wrong type") }

    private func slice(_ range: Range<Int>) -> Data {
        text[text.startIndex + range.lowerBound..<text.startIndex + range.upperBound]
    }
}
