public import FoundationEssentials
import JSONReader

/// A message of Google Cloud Pub/Sub with everything that a push says about it.
///
/// Source: Pub/Sub's REST reference, `PubsubMessage`, and "Push subscriptions", "Receive messages".
public struct PubSubMessage: Equatable, Sendable {
    /// The id that Pub/Sub gave the message when it was published. A producer that publishes again
    /// gets another id.
    public var id: String
    /// The payload, base64 decoded; empty for a message that has attributes only.
    public var data: Data
    /// The attributes that the publisher set.
    public var attributes: [String: String]
    /// When Pub/Sub accepted the message.
    public var publishTime: Date?
    /// The key within which messages are delivered in order; nil where the publisher set none.
    public var orderingKey: String?
    /// `projects/P/subscriptions/S`.
    public var subscription: String?
    /// Which delivery this is, from 1; known only where the subscription has a dead-letter policy.
    public var deliveryAttempt: Int?

    public init(
        id: String,
        data: Data = Data(),
        attributes: [String: String] = [:],
        publishTime: Date? = nil,
        orderingKey: String? = nil,
        subscription: String? = nil,
        deliveryAttempt: Int? = nil
    ) {
        self.id = id
        self.data = data
        self.attributes = attributes
        self.publishTime = publishTime
        self.orderingKey = orderingKey
        self.subscription = subscription
        self.deliveryAttempt = deliveryAttempt
    }

    /// The message that the event carries.
    ///
    /// - Throws: ``EnvelopeError`` if the event's data is no Pub/Sub message.
    public init(_ event: CloudEvent) throws(EnvelopeError) {
        guard event.type == CloudEvent.messagePublished || event.data.flatMap({ try? JSONElement($0)?.object().element("message") }) != nil
        else {
            throw .malformed("the event's type is \(event.type.cut(to: 64)): expected a Pub/Sub message")
        }
        guard let data = event.data else { throw .malformed("the event has no data: expected a Pub/Sub message") }
        guard let body = try? JSONElement(data)?.object() else {
            throw .malformed("the event's data is not a JSON object")
        }
        let push = try EnvelopeError.naming { () throws(JSONFault) in try PushBody(body) }
        self = try push.message(fallbackID: event.id, fallbackTime: event.time)
    }
}
