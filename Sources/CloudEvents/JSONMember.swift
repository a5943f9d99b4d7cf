import FoundationEssentials

/// Finds the bytes of one member's value in a JSON object, so that they can be passed on exactly as they came.
///
/// It relies on the text being valid JSON, which a decoder has to have made sure of; then strings and brackets are all that matters.
///
/// Source: RFC 8259.
struct JSONMember {
    private let bytes: [UInt8]
    private var position = 0

    /// The value of the first member with the name; nil if the object has none.
    static func value(of name: String, in json: Data) -> Data? {
        var scanner = JSONMember(bytes: Array(json))
        return scanner.find(name).map { Data($0) }
    }

    private mutating func find(_ name: String) -> ArraySlice<UInt8>? {
        skip { $0 != UInt8(ascii: "{") }
        position += 1
        while position < bytes.count {
            skip { $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "}") }
            guard position < bytes.count, bytes[position] == UInt8(ascii: "\"") else { return nil }
            let key = string()
            skip { $0 != UInt8(ascii: ":") }
            position += 1
            skip { $0 <= UInt8(ascii: " ") }
            let start = position
            skipValue()
            if matches(key, name) { return bytes[start..<position] }
        }
        return nil
    }

    /// A key may be written with escapes.
    private func matches(_ key: ArraySlice<UInt8>, _ name: String) -> Bool {
        guard key.contains(UInt8(ascii: "\\")) else { return key.dropFirst().dropLast().elementsEqual(name.utf8) }
        return (try? JSONDecoder().decode(String.self, from: Data(key))) == name
    }

    private mutating func skip(while holds: (UInt8) -> Bool) {
        while position < bytes.count, holds(bytes[position]) { position += 1 }
    }

    /// A string with its quotation marks.
    private mutating func string() -> ArraySlice<UInt8> {
        let start = position
        position += 1
        while position < bytes.count, bytes[position] != UInt8(ascii: "\"") {
            position += bytes[position] == UInt8(ascii: "\\") ? 2 : 1
        }
        position = min(position + 1, bytes.count)
        return bytes[start..<position]
    }

    private mutating func skipValue() {
        guard position < bytes.count else { return }
        switch bytes[position] {
        case UInt8(ascii: "\""): _ = string()
        case UInt8(ascii: "["), UInt8(ascii: "{"): skipBrackets()
        default: skip { !"]},".utf8.contains($0) && $0 > UInt8(ascii: " ") }
        }
    }

    private mutating func skipBrackets() {
        var depth = 0
        repeat {
            switch bytes[position] {
            case UInt8(ascii: "\""):
                _ = string()
                continue
            case UInt8(ascii: "["), UInt8(ascii: "{"): depth += 1
            case UInt8(ascii: "]"), UInt8(ascii: "}"): depth -= 1
            default: break
            }
            position += 1
        } while depth > 0 && position < bytes.count
    }
}
