import FoundationEssentials
import HTTPTypes
import Support

extension CloudEvent {
    /// Source: CloudEvents HTTP protocol binding 1.0.2, section 3.1.
    static func binary(_ headers: HTTPFields, body: Data) throws(EnvelopeError) -> CloudEvent {
        var attributes = CloudEventAttributes()
        for field in headers {
            let name = field.name.canonicalName
            guard name.hasPrefix("ce-") else { continue }
            guard let value = unquoted(field.value).flatMap({ percentDecoded($0) }) else {
                throw .malformed("\(name.cut(to: 64)) is not percent-encoded UTF-8")
            }
            let attribute = String(Substring(name.utf8.dropFirst(3)))
            guard attributes[attribute] == nil else { throw .malformed("\(name.cut(to: 64)) occurs more than once") }
            attributes[attribute] = value
        }
        return try attributes.event(dataContentType: headers.value(.contentType), data: body.isEmpty ? nil : body)
    }

    /// Percent-encodes `%` and the characters that a header value cannot hold.
    ///
    /// Source: CloudEvents HTTP protocol binding 1.0.2, section 3.1.3.2.
    static func percentEncoded(_ text: String) -> String {
        text.percentEncoded { (0x21...0x7e).contains($0) && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "%") }
    }

    /// Undoes double quotes and the backslashes within them. Receivers must support them.
    ///
    /// - Returns: nil if the quotes do not match.
    private static func unquoted(_ text: String) -> String? {
        guard text.utf8.first == UInt8(ascii: "\"") else { return text }
        var rest = text.utf8.dropFirst()
        guard rest.popLast() == UInt8(ascii: "\"") else { return nil }
        var unquoted: [UInt8] = []
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "\\"):
                guard let escaped = rest.popFirst() else { return nil }
                unquoted.append(escaped)
            case UInt8(ascii: "\""): return nil
            default: unquoted.append(byte)
            }
        }
        return String(decoding: unquoted, as: UTF8.self)
    }

    /// Returns nil if an escape is broken or the result is not UTF-8.
    static func percentDecoded(_ text: String) -> String? {
        guard text.utf8.withContiguousStorageIfAvailable({ $0.contains(UInt8(ascii: "%")) }) ?? true else { return text }
        var decoded: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                decoded.append(byte)
                continue
            }
            let digits = rest.prefix(2).compactMap { Character(Unicode.Scalar($0)).hexDigitValue }
            guard digits.count == 2 else { return nil }
            decoded.append(UInt8(digits[0] << 4 | digits[1]))
            rest = rest.dropFirst(2)
        }
        return String(validating: decoded, as: UTF8.self)
    }
}
