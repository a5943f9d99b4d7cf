import FunctionRuntime
package import FoundationEssentials
import ServiceLifecycle
import Support
import Synchronization

/// A topic with one push subscription, in memory. It posts each message to the endpoint until it is
/// acknowledged, with growing delays and a maximum number of attempts.
///
/// Source: Pub/Sub's documentation, "Push subscriptions", "Handle message failures".
package final class PushSubscription: Broker, Service {
    private let endpoint: String
    private let settings: Settings
    private let messages: AsyncStream<PubSubMessage>
    private let publisher: AsyncStream<PubSubMessage>.Continuation
    private let state = Mutex(State())

    /// The function's default concurrency. Pub/Sub starts with fewer and grows to it.
    private static let maximumInFlight = 80

    package struct Settings: Sendable {
        /// The time limit of an answer. After it, the message counts as not acknowledged.
        package var ackDeadline = Duration.seconds(60)
        package var minimumBackoff = Duration.milliseconds(500)
        package var maximumBackoff = Duration.seconds(10)
        package var maximumDeliveryAttempts = 20
        /// The prefix of message IDs.
        package var idPrefix = ""

        package init() {}
    }

    private struct State {
        var published = 0
        var deadLetters: [DeadLetter] = []
    }

    /// - Parameter endpoint: the URL to post to.
    package init(endpoint: String, settings: Settings = Settings()) {
        self.endpoint = endpoint
        self.settings = settings
        (messages, publisher) = AsyncStream.makeStream()
    }

    /// Publishes a message. It is delivered once the subscription runs.
    @discardableResult
    package func publish(_ data: Data, attributes: [String: String]) -> String {
        let id = state.withLock { state in
            state.published += 1
            return "\(settings.idPrefix)\(state.published)"
        }
        publisher.yield(
            PubSubMessage(
                id: id,
                data: data,
                attributes: attributes,
                publishTime: Date(),
                subscription: "projects/local/subscriptions/bookings-table-status-push"
            )
        )
        return id
    }

    package func deadLetters() -> [DeadLetter] { state.withLock(\.deadLetters) }

    package func replay(_ letters: [DeadLetter]) {
        let ids = Set(letters.map(\.messageID))
        let found = state.withLock { state in
            defer { state.deadLetters.removeAll { ids.contains($0.messageID) } }
            return state.deadLetters.filter { ids.contains($0.messageID) }
        }
        for letter in found { publish(letter.data, attributes: letter.attributes) }
    }

    package func run() async {
        let sender = EventSender(url: endpoint)
        let places = AsyncSemaphore(places: Self.maximumInFlight)
        await withDiscardingTaskGroup { deliveries in
            for await message in messages.cancelOnGracefulShutdown() {
                deliveries.addTask { await self.deliver(message, sender, places) }
            }
            deliveries.cancelAll()
        }
    }

    private func deliver(_ message: PubSubMessage, _ sender: EventSender, _ places: AsyncSemaphore) async {
        var message = message
        var wait = settings.minimumBackoff
        for attempt in 1...settings.maximumDeliveryAttempts {
            message.deliveryAttempt = attempt
            let deadline = Deadline(after: .seconds(600), .system)
            if await places.enter(before: deadline) {
                defer { places.leave() }
                if await isAcknowledged(message, sender) { return }
            }
            guard attempt < settings.maximumDeliveryAttempts else { break }
            guard (try? await Task.sleep(for: wait)) != nil else { return }
            wait = min(wait * 2, settings.maximumBackoff)
        }
        state.withLock { $0.deadLetters.append(DeadLetter(messageID: message.id, data: message.data, attributes: message.attributes)) }
    }

    /// Whether the answer acknowledges the message.
    private func isAcknowledged(_ message: PubSubMessage, _ sender: EventSender) async -> Bool {
        guard let answer = try? await sender.send(message, timeout: settings.ackDeadline) else { return false }
        return [102, 200, 201, 202, 204].contains(answer.status)
    }
}
