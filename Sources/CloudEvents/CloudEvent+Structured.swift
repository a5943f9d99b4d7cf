import FoundationEssentials

extension CloudEvent {
    /// Source: CloudEvents JSON event format 1.0.2, sections 2 and 3.
    static func structured(_ body: Data) throws(EnvelopeError) -> CloudEvent {
        let members: [String: JSONValue]
        do {
            members = try JSONDecoder().decode([String: JSONValue].self, from: body)
        } catch {
            throw .malformed("the request's body is not a JSON object")
        }
        var attributes: [String: String] = [:]
        for (name, value) in members where name != "data" && name != "data_base64" {
            switch value {
            case .string(let text): attributes[name] = text
            case .integer(let number): attributes[name] = String(number)
            case .bool(let flag): attributes[name] = String(flag)
            case .null: break
            case .decimal, .number, .array, .object: throw .malformed("the CloudEvents attribute \(name) has the wrong type")
            }
        }
        let dataContentType = attributes.removeValue(forKey: "datacontenttype")
        return try CloudEvent(
            attributes: attributes,
            dataContentType: dataContentType,
            data: try data(members, isJSON: dataContentType.map { $0.contains("json") } ?? true)
        )
    }

    private static func data(_ members: [String: JSONValue], isJSON: Bool) throws(EnvelopeError) -> Data? {
        switch (members["data"], members["data_base64"]) {
        case (_?, _?): throw .malformed("data and data_base64 exclude each other")
        case (nil, .string(let text)?):
            guard let data = Data(base64Encoded: text) else { throw .malformed("data_base64 is not base64") }
            return data
        case (nil, _?): throw .malformed("data_base64 has the wrong type")
        case (.string(let text)?, nil) where !isJSON: return Data(text.utf8)
        case (let value?, nil):
            do {
                return try JSONEncoder().encode(value)
            } catch {
                throw .malformed("data cannot be written as JSON")
            }
        case (nil, nil): return nil
        }
    }
}
