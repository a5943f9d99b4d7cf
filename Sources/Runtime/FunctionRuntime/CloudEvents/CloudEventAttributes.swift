import FoundationEssentials

/// Collects an event's attributes by name while they are read. Each standard attribute has its own
/// property: a dictionary of all of them would cost more than the rest of reading the binary form.
struct CloudEventAttributes {
    private var specversion, id, source, type, time, subject, dataschema: String?
    private var extensions: [String: String] = [:]

    subscript(name: String) -> String? {
        get {
            switch name {
            case "specversion": specversion
            case "id": id
            case "source": source
            case "type": type
            case "time": time
            case "subject": subject
            case "dataschema": dataschema
            default: extensions[name]
            }
        }
        set {
            switch name {
            case "specversion": specversion = newValue
            case "id": id = newValue
            case "source": source = newValue
            case "type": type = newValue
            case "time": time = newValue
            case "subject": subject = newValue
            case "dataschema": dataschema = newValue
            default: extensions[name] = newValue
            }
        }
    }

    /// Makes the event. Throws if a required attribute is missing or invalid.
    func event(dataContentType: String?, data: Data?) throws(EnvelopeError) -> CloudEvent {
        guard try required(specversion, "specversion") == "1.0" else {
            throw .malformed("the CloudEvents attribute specversion is not 1.0")
        }
        var event = CloudEvent(
            id: try required(id, "id"),
            source: try required(source, "source"),
            type: try required(type, "type"),
            subject: subject,
            dataContentType: dataContentType,
            dataSchema: dataschema,
            extensions: extensions,
            data: data
        )
        if let time {
            guard event.setTime(time) else { throw .malformed("the CloudEvents attribute time is not an RFC 3339 time") }
        }
        return event
    }

    private func required(_ value: String?, _ name: StaticString) throws(EnvelopeError) -> String {
        guard let value, !value.isEmpty else { throw .malformed("the CloudEvents attribute \(name) is missing") }
        return value
    }
}
