package import FoundationEssentials
import Support
import Synchronization
import ZendeskSimulator

/// Topic, push subscription and dead-letter queue in Google's Pub/Sub emulator, over its REST
/// interface.
///
/// Source: Pub/Sub's REST reference, `projects.topics`, `projects.subscriptions`.
package final class PubSubEmulator: Broker {
    private let rest: RESTClient
    /// Dead letters that were pulled and not replayed yet, by message ID. The emulator keeps them,
    /// too.
    private let pulled = Mutex<[String: DeadLetter]>([:])

    private static let topic = "projects/\(SpannerBookings.project)/topics/bookings-table-status"
    private static let deadLetterTopic = "\(topic)-dead-letter"
    private static let subscription = "projects/\(SpannerBookings.project)/subscriptions/bookings-table-status-push"
    private static let deadLetterSubscription = "projects/\(SpannerBookings.project)/subscriptions/bookings-table-status-dead-letter-keep"

    /// - Parameters:
    ///   - url: the emulator's address, without a path.
    ///   - endpoint: the URL to push to. The topic's name is appended.
    init(url: String, endpoint: String) async throws {
        rest = RESTClient("\(url)/v1")
        for topic in [Self.topic, Self.deadLetterTopic] { try await rest.create(.put, "/\(topic)", [:]) }
        try await rest.create(
            .put,
            "/\(Self.deadLetterSubscription)",
            ["topic": .string(Self.deadLetterTopic), "ackDeadlineSeconds": 600]
        )
        // A leftover subscription pushes to an endpoint that no longer exists.
        _ = try? await rest.call(.delete, "/\(Self.subscription)")
        try await rest.create(
            .put,
            "/\(Self.subscription)",
            [
                "topic": .string(Self.topic), "ackDeadlineSeconds": 60,
                "pushConfig": ["pushEndpoint": .string("\(endpoint)/\(Self.topic)")],
                "retryPolicy": ["minimumBackoff": "1s", "maximumBackoff": "10s"],
                "deadLetterPolicy": ["deadLetterTopic": .string(Self.deadLetterTopic), "maxDeliveryAttempts": 20],
            ]
        )
    }

    @discardableResult
    package func publish(_ data: Data, attributes: [String: String]) async throws -> String {
        let named = attributes.map { JSON.Member(name: $0.key, value: .string($0.value)) }
        let message: JSON = ["data": .string(data.base64EncodedString()), "attributes": .object(named)]
        let answer = try await rest.call(.post, "/\(Self.topic):publish", ["messages": [message]])
        guard let id = answer["messageIds"]?.array?.first?.string else {
            throw RESTClient.Failure(status: 200, description: "the message got no id")
        }
        return id
    }

    package func deadLetters() async throws -> [DeadLetter] {
        let answer = try await rest.call(
            .post,
            "/\(Self.deadLetterSubscription):pull",
            ["maxMessages": 100, "returnImmediately": true]
        )
        let letters: [DeadLetter] = (answer["receivedMessages"]?.array ?? []).compactMap { received in
            guard let id = received["message"]?["messageId"]?.string, let ackID = received["ackId"]?.string else { return nil }
            let data = received["message"]?["data"]?.string.flatMap { Data(base64Encoded: $0) } ?? Data()
            var letter = DeadLetter(messageID: id, data: data, ackID: ackID)
            if case .object(let members)? = received["message"]?["attributes"] {
                for member in members { letter.attributes[member.name] = member.value.string }
            }
            return letter
        }
        return pulled.withLock { pulled in
            for letter in letters { pulled[letter.messageID] = letter }
            return pulled.values.sorted { ($0.messageID.count, $0.messageID) < ($1.messageID.count, $1.messageID) }
        }
    }

    package func replay(_ letters: [DeadLetter]) async throws {
        for letter in letters {
            guard let ackID = pulled.withLock({ $0[letter.messageID]?.ackID }) else { continue }
            // In this order, a failure in between duplicates the letter instead of losing it.
            try await publish(letter.data, attributes: letter.attributes)
            _ = try await rest.call(.post, "/\(Self.deadLetterSubscription):acknowledge", ["ackIds": [.string(ackID)]])
            pulled.withLock { $0[letter.messageID] = nil }
        }
    }
}
