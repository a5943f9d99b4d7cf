import FoundationEssentials
import Support

extension CloudEvent {
    /// Source: CloudEvents JSON event format 1.0.2, sections 2 and 3.
    static func structured(_ body: Data) throws(EnvelopeError) -> CloudEvent {
        guard let event = try? JSONElement(body)?.object() else {
            throw .malformed("the request's body is not a JSON object")
        }
        var attributes = CloudEventAttributes()
        var dataContentType: String?
        try EnvelopeError.naming { () throws(JSONFault) in
            try event.forEach { (name, value) throws(JSONFault) in
                guard name != "data", name != "data_base64" else { return }
                do {
                    let attribute = try value.attribute()
                    if name == "datacontenttype" { dataContentType = attribute } else { attributes[name] = attribute }
                } catch {
                    throw JSONFault("the CloudEvents attribute \(name.cut(to: 64)) has the wrong type")
                }
            }
        }
        return try attributes.event(
            dataContentType: dataContentType,
            data: try data(of: event, isJSON: CloudEvent.isJSON(dataContentType))
        )
    }

    /// Returns JSON data byte for byte as received.
    private static func data(of event: JSONObject, isJSON: Bool) throws(EnvelopeError) -> Data? {
        switch (event["data"], event["data_base64"]) {
        case (_?, _?): throw .malformed("data and data_base64 exclude each other")
        case (nil, let data?): return try EnvelopeError.naming { () throws(JSONFault) in try data.base64() }
        case (let data?, nil):
            if !isJSON, let text = data.string { return Data(text.utf8) }
            return Data(data.bytes)
        case (nil, nil): return nil
        }
    }
}
