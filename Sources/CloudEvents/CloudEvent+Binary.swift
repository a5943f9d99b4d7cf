import FoundationEssentials
import HTTPTypes

extension CloudEvent {
    /// Source: CloudEvents HTTP protocol binding 1.0.2, section 3.1.
    static func binary(_ headers: HTTPFields, body: Data) throws(EnvelopeError) -> CloudEvent {
        var attributes: [String: String] = [:]
        for field in headers {
            let name = field.name.canonicalName
            guard name.utf8.starts(with: "ce-".utf8) else { continue }
            guard let value = percentDecoded(field.value) else { throw .malformed("\(name) is not percent-encoded UTF-8") }
            guard attributes.updateValue(value, forKey: String(name.dropFirst(3))) == nil else {
                throw .malformed("\(name) is there more than once")
            }
        }
        return try CloudEvent(
            attributes: attributes,
            dataContentType: headers[.contentType],
            data: body.isEmpty ? nil : body
        )
    }

    /// Checks the attributes that every event must have, by their names in the specification.
    init(attributes: [String: String], dataContentType: String?, data: Data?) throws(EnvelopeError) {
        var attributes = attributes
        func required(_ name: String) throws(EnvelopeError) -> String {
            guard let value = attributes.removeValue(forKey: name), !value.isEmpty else {
                throw .malformed("the CloudEvents attribute \(name) is missing")
            }
            return value
        }
        guard try required("specversion") == "1.0" else { throw .malformed("the CloudEvents attribute specversion is not 1.0") }
        self.init(
            id: try required("id"),
            source: try required("source"),
            type: try required("type"),
            dataContentType: dataContentType,
            data: data
        )
        if let text = attributes.removeValue(forKey: "time") {
            guard let time = Date(rfc3339: text) else { throw .malformed("the CloudEvents attribute time is not an RFC 3339 time") }
            self.time = time
        }
        subject = attributes.removeValue(forKey: "subject")
        dataSchema = attributes.removeValue(forKey: "dataschema")
        extensions = attributes
    }

    /// Escapes what a header field cannot hold, and the escapes' own sign.
    ///
    /// Source: CloudEvents HTTP protocol binding 1.0.2, section 3.1.3.2.
    static func percentEncoded(_ text: String) -> String {
        var encoded = ""
        for byte in text.utf8 {
            if (0x21...0x7e).contains(byte), byte != UInt8(ascii: "\""), byte != UInt8(ascii: "%") {
                encoded.unicodeScalars.append(Unicode.Scalar(byte))
            } else {
                encoded += byte < 16 ? "%0" : "%"
                encoded += String(byte, radix: 16, uppercase: true)
            }
        }
        return encoded
    }

    /// Nil where the text has a broken escape or decodes to something that is not UTF-8.
    private static func percentDecoded(_ text: String) -> String? {
        guard text.utf8.contains(UInt8(ascii: "%")) else { return text }
        var decoded: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                decoded.append(byte)
                continue
            }
            let digits = rest.prefix(2)
            guard digits.count == 2, let value = UInt8(String(decoding: digits, as: UTF8.self), radix: 16) else { return nil }
            decoded.append(value)
            rest = rest.dropFirst(2)
        }
        return String(validating: decoded, as: UTF8.self)
    }
}
