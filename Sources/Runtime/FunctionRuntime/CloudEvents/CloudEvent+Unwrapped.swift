import FoundationEssentials
import HTTPTypes

extension ReceivedEvent {
    /// Reads a message whose data is the body. Its other members are in headers, if the
    /// subscription writes metadata.
    ///
    /// Source: Pub/Sub's documentation, "Payload unwrapping for Pub/Sub push subscriptions".
    static func unwrapped(_ headers: HTTPFields, body: Data, topic: Topic) throws(EnvelopeError) -> ReceivedEvent {
        var message = PubSubMessage(id: headers[.pubSubMessageID] ?? UUID().uuidString, data: body)
        guard !message.id.isEmpty else { throw .malformed("\(HTTPField.Name.pubSubMessageID) is empty") }
        if let text = headers[.pubSubPublishTime] {
            guard let time = Date(rfc3339: text) else {
                throw .malformed("\(HTTPField.Name.pubSubPublishTime) is not an RFC 3339 time")
            }
            message.publishTime = time
        }
        message.orderingKey = headers[.pubSubOrderingKey].flatMap { $0.isEmpty ? nil : $0 }
        message.subscription = headers[.pubSubSubscriptionName]
        if headers[.pubSubMessageID] != nil {
            for field in headers where !Self.transportFields.contains(field.name) {
                message.attributes[field.name.rawName] = field.value
            }
        }
        var event = CloudEvent(message, topic: topic, data: PushBody(message).json)
        event.writtenTime = headers[.pubSubPublishTime]
        return ReceivedEvent(event: event, message: message)
    }

    /// Fields that belong to the request or to the message itself. Every other field is an
    /// attribute of the message.
    private static let transportFields: Set<HTTPField.Name> = [
        .pubSubMessageID, .pubSubPublishTime, .pubSubOrderingKey, .pubSubSubscriptionName, .contentLength, .contentType,
        .transferEncoding, .connection, .accept, .acceptEncoding, .userAgent, .authorization, .traceparent,
        HTTPField.Name("host")!, HTTPField.Name("from")!, HTTPField.Name("forwarded")!, HTTPField.Name("function-execution-id")!,
        HTTPField.Name("tracestate")!, HTTPField.Name("x-cloud-trace-context")!, HTTPField.Name("x-forwarded-for")!,
        HTTPField.Name("x-forwarded-proto")!,
    ]
}
