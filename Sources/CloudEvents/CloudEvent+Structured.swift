import FoundationEssentials

extension CloudEvent {
    /// Source: CloudEvents JSON event format 1.0.2, sections 2 and 3.
    static func structured(_ body: Data) throws(EnvelopeError) -> CloudEvent {
        let members: [String: StructuredMember]
        do {
            members = try JSONDecoder().decode([String: StructuredMember].self, from: body)
        } catch {
            throw .malformed("the request's body is not a JSON object")
        }
        var attributes: [String: String] = [:]
        for (name, member) in members where name != "data" && name != "data_base64" {
            switch member {
            case .text(let text): attributes[name] = text
            case .absent: break
            case .other: throw .malformed("the CloudEvents attribute \(name) has the wrong type")
            }
        }
        let dataContentType = attributes.removeValue(forKey: "datacontenttype")
        return try CloudEvent(
            attributes: attributes,
            dataContentType: dataContentType,
            data: try data(members, body, isJSON: dataContentType.map { $0.contains("json") } ?? true)
        )
    }

    private static func data(
        _ members: [String: StructuredMember],
        _ body: Data,
        isJSON: Bool
    ) throws(EnvelopeError) -> Data? {
        switch (members["data"], members["data_base64"]) {
        case (_?, _?): throw .malformed("data and data_base64 exclude each other")
        case (nil, .text(let text)?):
            guard let data = Data(base64Encoded: text) else { throw .malformed("data_base64 is not base64") }
            return data
        case (nil, _?): throw .malformed("data_base64 has the wrong type")
        case (.text(let text)?, nil) where !isJSON: return Data(text.utf8)
        case (_?, nil): return JSONMember.value(of: "data", in: body)
        case (nil, nil): return nil
        }
    }
}

/// A member of a structured event: the text of an attribute, or something that is none.
private enum StructuredMember: Decodable {
    case text(String)
    case absent
    case other

    /// Source: CloudEvents specification 1.0.2, "Type System": strings, integers and booleans are what JSON has of it.
    init(from decoder: any Decoder) throws {
        guard let container = try? decoder.singleValueContainer() else {
            self = .other
            return
        }
        if container.decodeNil() {
            self = .absent
        } else if let text = try? container.decode(String.self) {
            self = .text(text)
        } else if let flag = try? container.decode(Bool.self) {
            self = .text(String(flag))
        } else if let number = try? container.decode(Int.self) {
            self = .text(String(number))
        } else {
            self = .other
        }
    }
}
