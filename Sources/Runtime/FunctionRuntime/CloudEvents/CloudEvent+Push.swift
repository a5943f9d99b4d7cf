import FoundationEssentials

extension ReceivedEvent {
    /// Source: Pub/Sub's documentation, "Push subscriptions", "Receive messages".
    static func push(_ push: PushBody, body: Data, topic: Topic) throws(EnvelopeError) -> ReceivedEvent {
        let message = try push.message()
        var event = CloudEvent(message, topic: topic, data: body)
        event.writtenTime = push.message.publishTime
        return ReceivedEvent(event: event, message: message)
    }
}

extension CloudEvent {
    /// Wraps a message in an event as Eventarc does.
    init(_ message: PubSubMessage, topic: Topic, data: Data) {
        self.init(
            id: message.id,
            source: topic.name.map { "//pubsub.googleapis.com/\($0)" } ?? "//pubsub.googleapis.com/",
            type: Self.messagePublished,
            time: message.publishTime,
            dataContentType: "application/json",
            data: data
        )
    }
}
