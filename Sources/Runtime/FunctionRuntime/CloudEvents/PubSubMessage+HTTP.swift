public import FoundationEssentials
public import HTTPTypes

extension PubSubMessage {
    /// The request that Pub/Sub or Eventarc would send to deliver this message.
    ///
    /// - Parameters:
    ///   - form: how the message is delivered.
    ///   - topic: `projects/P/topics/T`; only a CloudEvent and a background event can name it.
    /// - Returns: the request's head, with path `/`, and its body.
    public func request(as form: DeliveryForm, topic: String? = nil) -> (head: HTTPRequest, body: Data) {
        var head = HTTPRequest(method: .post, scheme: nil, authority: nil, path: "/")
        head.headerFields[.contentType] = "application/json"
        switch form {
        case .push: return (head, PushBody(self).json)
        case .binary:
            let event = CloudEvent(self, topic: Topic(name: topic), data: PushBody(self).json)
            head.headerFields[HTTPField.Name("ce-specversion")!] = "1.0"
            head.headerFields[HTTPField.Name("ce-id")!] = CloudEvent.percentEncoded(event.id)
            head.headerFields[HTTPField.Name("ce-source")!] = CloudEvent.percentEncoded(event.source)
            head.headerFields[HTTPField.Name("ce-type")!] = event.type
            head.headerFields[HTTPField.Name("ce-time")!] = event.timeText
            return (head, event.data ?? Data())
        case .structured:
            head.headerFields[.contentType] = "application/cloudevents+json"
            return (head, CloudEvent(self, topic: Topic(name: topic), data: PushBody(self).json).json())
        case .unwrapped:
            head.headerFields[.contentType] = nil
            for (name, value) in attributes {
                if let name = HTTPField.Name(name) { head.headerFields[name] = value }
            }
            head.headerFields[.pubSubMessageID] = id
            head.headerFields[.pubSubPublishTime] = publishTime.map(\.rfc3339)
            head.headerFields[.pubSubOrderingKey] = orderingKey
            head.headerFields[.pubSubSubscriptionName] = subscription
            return (head, data)
        default: return (head, LegacyBody(self, topic).json)
        }
    }

    /// The form in which a message is delivered.
    public struct DeliveryForm: RawRepresentable, CaseIterable, Hashable, Sendable {
        private enum Name: String { case push, binary, structured, unwrapped, legacy }

        private let name: Name

        private init(_ name: Name) { self.name = name }

        public init?(rawValue: String) {
            guard let name = Name(rawValue: rawValue) else { return nil }
            self.name = name
        }

        /// The form's name: push, binary, structured, unwrapped or legacy.
        public var rawValue: String { name.rawValue }

        /// The push of an ordinary subscription.
        public static let push = DeliveryForm(.push)
        /// The CloudEvent that Eventarc sends, with its attributes in headers.
        public static let binary = DeliveryForm(.binary)
        /// A CloudEvent as one JSON object.
        public static let structured = DeliveryForm(.structured)
        /// The push of a subscription with payload unwrapping and metadata. Omits the delivery
        /// attempt, attributes that no header can hold, and attributes named like a header with a
        /// meaning of its own.
        public static let unwrapped = DeliveryForm(.unwrapped)
        /// The event of a first generation background function. Omits the subscription and the
        /// delivery attempt.
        public static let legacy = DeliveryForm(.legacy)

        public static let allCases: [DeliveryForm] = [.push, .binary, .structured, .unwrapped, .legacy]
    }
}

/// A background event in the shape with `context`.
///
/// Source: GoogleCloudPlatform/functions-framework-conformance, `events/`.
private struct LegacyBody: Encodable {
    struct Context: Encodable {
        struct Resource: Encodable {
            var service = "pubsub.googleapis.com"
            var name: String
            var type = "type.googleapis.com/google.pubsub.v1.PubsubMessage"
        }
        var eventId: String
        var timestamp: String?
        var eventType = "google.pubsub.topic.publish"
        var resource: Resource
    }
    var context: Context
    var data: PushBody.Message

    init(_ message: PubSubMessage, _ topic: String?) {
        context = Context(
            eventId: message.id,
            timestamp: message.publishTime.map(\.rfc3339),
            resource: .init(name: topic ?? "projects/unknown/topics/unknown")
        )
        data = PushBody(message).message
    }
}
