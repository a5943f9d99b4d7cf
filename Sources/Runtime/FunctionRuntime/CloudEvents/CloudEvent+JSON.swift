public import FoundationEssentials
import Support

extension CloudEvent {
    /// Encodes the event as one JSON object: the body of a request in structured mode.
    ///
    /// Data with a JSON media type, or with none, is embedded as JSON. Text is embedded as a
    /// string, anything else as base64.
    ///
    /// Source: CloudEvents JSON event format 1.0.2.
    public func json() -> Data {
        var members: [(name: String, value: Data)] = [
            ("specversion", "1.0".json), ("id", id.json), ("source", source.json), ("type", type.json),
        ]
        let optional = [
            ("time", timeText), ("subject", subject), ("datacontenttype", dataContentType), ("dataschema", dataSchema),
        ]
        for (name, value) in optional + extensions.sorted(by: { $0.key < $1.key }).map({ ($0, $1) }) {
            if let value { members.append((name, value.json)) }
        }
        if let data { members.append(dataMember(data)) }
        return JSONObject.text(members)
    }

    private func dataMember(_ data: Data) -> (name: String, value: Data) {
        if Self.isJSON(dataContentType) {
            if JSONElement(data) != nil { return ("data", data) }
        } else if dataContentType?.hasPrefix("text/") == true, let text = String(validating: data, as: UTF8.self) {
            return ("data", text.json)
        }
        return ("data_base64", data.base64EncodedString().json)
    }

    /// Whether data of this media type is JSON. Data without a media type is.
    static func isJSON(_ mediaType: String?) -> Bool { mediaType?.contains("json") ?? true }
}
