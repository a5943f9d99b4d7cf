import FoundationEssentials
import JSONReader

/// A first generation background event, in the shape with `context` or in the older one where all stands at the top level.
///
/// Source: GoogleCloudPlatform/functions-framework-conformance, `events/`; Cloud Functions' documentation, "Background functions".
struct LegacyEvent {
    var eventID: String
    var timestamp: String?
    var eventType: String?
    var service: String?
    /// Of the resource: the topic.
    var name: String
    var message: PushBody.Message

    init(_ body: JSONObject) throws(JSONFault) {
        let context = try body.element("context")?.object() ?? body
        eventID = try context.require("eventId").requireString()
        timestamp = try context["timestamp"]?.requireString()
        eventType = try context["eventType"]?.requireString()
        let resource = try context.require("resource")
        if let name = resource.string {
            self.name = name
        } else {
            let resource = try resource.object()
            service = try resource["service"]?.requireString()
            name = try resource.require("name").requireString()
        }
        message = try PushBody.Message(body.require("data").object())
    }
}

extension ReceivedEvent {
    /// Only Pub/Sub's events are taken: this is what a function with a Pub/Sub trigger got.
    static func legacy(_ event: LegacyEvent) throws(EnvelopeError) -> ReceivedEvent {
        let type = event.eventType ?? ""
        guard type == "google.pubsub.topic.publish" || type == "providers/cloud.pubsub/eventTypes/topic.publish" else {
            throw .malformed("eventType is not a Pub/Sub publish")
        }
        var body = PushBody(message: event.message)
        body.message.messageID = event.message.messageID ?? event.eventID
        body.message.publishTime = event.message.publishTime ?? event.timestamp
        let message = try body.message()
        var result = CloudEvent(message, topic: Topic(name: event.name), data: body.json)
        result.id = event.eventID
        result.source = "//\(event.service ?? "pubsub.googleapis.com")/\(event.name)"
        return ReceivedEvent(event: result, message: message)
    }
}
