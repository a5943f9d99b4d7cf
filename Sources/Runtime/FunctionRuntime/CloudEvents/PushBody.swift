import FoundationEssentials
import Support

/// The body of a Pub/Sub push, which is also the data of a `messagePublished` CloudEvent.
///
/// Pub/Sub writes `messageId` and `publishTime` in two spellings. Either one is enough, since a
/// relay may keep only one.
///
/// Source: Pub/Sub's documentation, "Push subscriptions", "Receive messages";
/// googleapis/google-cloudevents, `google.events.cloud.pubsub.v1.MessagePublishedData`.
struct PushBody {
    var message: Message
    var subscription: String?
    var deliveryAttempt: Int?

    struct Message {
        var data: Data?
        var attributes: [String: String]?
        var messageID: String?
        var publishTime: String?
        var orderingKey: String?
    }

    /// - Parameters:
    ///   - fallbackID: the message id if the body has none.
    ///   - fallbackTime: the publish time if the body has none.
    func message(fallbackID: String? = nil, fallbackTime: Date? = nil) throws(EnvelopeError) -> PubSubMessage {
        guard let id = message.messageID ?? fallbackID, !id.isEmpty else {
            throw .malformed("message.messageId is missing")
        }
        var publishTime = fallbackTime
        if let text = message.publishTime {
            guard let time = Date(rfc3339: text) else { throw .malformed("message.publishTime is not an RFC 3339 time") }
            publishTime = time
        }
        return PubSubMessage(
            id: id,
            data: message.data ?? Data(),
            attributes: message.attributes ?? [:],
            publishTime: publishTime,
            orderingKey: message.orderingKey.flatMap { $0.isEmpty ? nil : $0 },
            subscription: subscription,
            deliveryAttempt: deliveryAttempt
        )
    }
}

extension PushBody {
    init(_ body: JSONObject) throws(JSONFault) {
        message = try Message(body.require("message").object())
        subscription = try body["subscription"]?.requireString()
        // 0 where the subscription has no dead-letter policy.
        deliveryAttempt = try (body["deliveryAttempt"]?.integer()).flatMap { $0 > 0 ? $0 : nil }
    }
}

extension PushBody.Message {
    init(_ message: JSONObject) throws(JSONFault) {
        data = try message["data"]?.base64()
        messageID = try message["messageId", "message_id"]?.requireString()
        publishTime = try message["publishTime", "publish_time"]?.requireString()
        orderingKey = try message["orderingKey", "ordering_key"]?.requireString()
        if let element = message["attributes"] {
            var attributes: [String: String] = [:]
            try element.object().forEach { (name, value) throws(JSONFault) in attributes[name] = try value.requireString() }
            self.attributes = attributes
        }
    }
}

extension PushBody {
    init(_ message: PubSubMessage) {
        self.init(
            message: Message(
                data: message.data.isEmpty ? nil : message.data,
                attributes: message.attributes,
                messageID: message.id,
                publishTime: message.publishTime.map(\.rfc3339),
                orderingKey: message.orderingKey
            ),
            subscription: message.subscription,
            deliveryAttempt: message.deliveryAttempt
        )
    }
}

extension PushBody: Encodable {}

extension PushBody.Message: Encodable {
    private enum Key: String, CodingKey {
        case data, attributes, messageId, message_id, publishTime, publish_time, orderingKey
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        try container.encodeIfPresent(data?.base64EncodedString(), forKey: .data)
        try container.encodeIfPresent(attributes, forKey: .attributes)
        for key in [Key.messageId, .message_id] { try container.encodeIfPresent(messageID, forKey: key) }
        for key in [Key.publishTime, .publish_time] { try container.encodeIfPresent(publishTime, forKey: key) }
        try container.encodeIfPresent(orderingKey, forKey: .orderingKey)
    }
}
