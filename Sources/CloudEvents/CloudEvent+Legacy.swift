import FoundationEssentials

/// A first generation background event, in the shape with `context` or in the older one where all stands at the top level.
///
/// Source: GoogleCloudPlatform/functions-framework-conformance, `events/`; Cloud Functions' documentation, "Background functions".
struct LegacyEvent: Decodable {
    var context: Context
    var message: PushBody.Message

    struct Context: Decodable {
        var eventId: String
        var timestamp: String?
        var eventType: String?
        var resource: Resource
    }

    struct Resource: Decodable {
        var service: String?
        var name: String

        private enum Key: CodingKey { case service, name }

        init(from decoder: any Decoder) throws {
            if let name = try? decoder.singleValueContainer().decode(String.self) {
                self.name = name
            } else {
                let container = try decoder.container(keyedBy: Key.self)
                service = try container.decodeIfPresent(String.self, forKey: .service)
                name = try container.decode(String.self, forKey: .name)
            }
        }
    }

    private enum Key: CodingKey { case context, data }

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        context = container.contains(.context) ? try container.decode(Context.self, forKey: .context) : try Context(from: decoder)
        message = try container.decode(PushBody.Message.self, forKey: .data)
    }
}

extension CloudEvent {
    /// Only Pub/Sub's events are taken: this is what a function with a Pub/Sub trigger got.
    static func legacy(_ event: LegacyEvent) throws(EnvelopeError) -> CloudEvent {
        let type = event.context.eventType ?? ""
        guard type == "google.pubsub.topic.publish" || type == "providers/cloud.pubsub/eventTypes/topic.publish" else {
            throw .malformed("context.eventType is not a Pub/Sub publish")
        }
        var body = PushBody(message: event.message)
        body.message.messageID = event.message.messageID ?? event.context.eventId
        body.message.publishTime = event.message.publishTime ?? event.context.timestamp
        var result = CloudEvent(
            try body.message(),
            topic: Topic(name: event.context.resource.name),
            data: body.json
        )
        result.id = event.context.eventId
        result.source = "//\(event.context.resource.service ?? "pubsub.googleapis.com")/\(event.context.resource.name)"
        return result
    }
}
