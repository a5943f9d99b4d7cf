public import FoundationEssentials
import Support

/// A Google Cloud Pub/Sub message with all the metadata of a push.
///
/// Source: Pub/Sub's REST reference, `PubsubMessage`, and "Push subscriptions", "Receive messages".
public struct PubSubMessage: Equatable, Sendable {
    /// The id that Pub/Sub assigned on publication. Publishing the same message again assigns
    /// another id.
    public var id: String
    /// The payload, base64 decoded; empty for a message that has attributes only.
    public var data: Data
    /// The attributes that the publisher set.
    public var attributes: [String: String]
    /// When Pub/Sub accepted the message.
    public var publishTime: Date?
    /// The ordering key; nil if the publisher set none. Messages with the same key are delivered in
    /// order.
    public var orderingKey: String?
    /// `projects/P/subscriptions/S`.
    public var subscription: String?
    /// The number of this delivery, from 1. Known only if the subscription has a dead-letter
    /// policy.
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

    /// Decodes the message that an event carries.
    ///
    /// - Throws: ``EnvelopeError`` if the event's data is not a Pub/Sub message.
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
