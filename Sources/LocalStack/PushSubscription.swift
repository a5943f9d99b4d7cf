import AsyncHTTPClient
import CloudEvents
package import FoundationEssentials
import NIOCore
import NIOHTTP1
import ServiceLifecycle
import Synchronization

/// A push subscription of Pub/Sub, in memory: it posts each message to the endpoint until that is acknowledged, and waits longer from try to
/// try.
package final class PushSubscription: Service {
    private let endpoint: String
    private let messages: AsyncStream<PubSubMessage>
    private let publisher: AsyncStream<PubSubMessage>.Continuation
    private let unacknowledged = Mutex<Set<String>>([])
    private let published = Mutex(0)

    /// How long an answer may take, before the message counts as not acknowledged.
    private static let ackDeadline = TimeAmount.seconds(60)
    private static let backoff = (least: Duration.milliseconds(500), most: Duration.seconds(10))

    /// - Parameter endpoint: the URL to post to.
    package init(endpoint: String) {
        self.endpoint = endpoint
        (messages, publisher) = AsyncStream.makeStream()
    }

    /// Publishes a message; it is delivered as soon as the subscription runs.
    ///
    /// - Returns: the message's id.
    @discardableResult
    package func publish(_ data: Data, attributes: [String: String] = [:]) -> String {
        let id = published.withLock { count in
            count += 1
            return "\(count)"
        }
        unacknowledged.withLock { _ = $0.insert(id) }
        publisher.yield(PubSubMessage(id: id, data: data, attributes: attributes, publishTime: Date()))
        return id
    }

    /// Ends once every message that has been published is acknowledged.
    ///
    /// - Throws: ``NotDrained`` if that takes longer.
    package func drained(within time: Duration = .seconds(60)) async throws {
        let end = ContinuousClock.now + time
        while !unacknowledged.withLock(\.isEmpty) {
            guard ContinuousClock.now < end else { throw NotDrained(messages: unacknowledged.withLock(\.count)) }
            try await Task.sleep(for: .milliseconds(5))
        }
    }

    package struct NotDrained: Error, CustomStringConvertible {
        let messages: Int
        package var description: String { "\(messages) messages are not acknowledged: run with --verbose to see why" }
    }

    package func run() async throws {
        try await HTTPClient.withHTTPClient { client in
            let sender = EventSender(client: client, url: endpoint)
            await withTaskGroup(of: Void.self) { deliveries in
                for await message in messages.cancelOnGracefulShutdown() {
                    deliveries.addTask { await self.deliver(message, sender) }
                }
                deliveries.cancelAll()
            }
        }
    }

    private func deliver(_ message: PubSubMessage, _ sender: EventSender) async {
        var message = message
        message.subscription = "projects/local/subscriptions/bookings-status-push"
        var wait = Self.backoff.least
        for attempt in 1... {
            message.deliveryAttempt = attempt
            if await isAcknowledged(message, sender) {
                unacknowledged.withLock { _ = $0.remove(message.id) }
                return
            }
            guard (try? await Task.sleep(for: wait)) != nil else { return }
            wait = min(wait * 2, Self.backoff.most)
        }
    }

    /// Whether the answer acknowledges the message.
    private func isAcknowledged(_ message: PubSubMessage, _ sender: EventSender) async -> Bool {
        guard let answer = try? await sender.send(message, timeout: Self.ackDeadline) else { return false }
        return [102, 200, 201, 202, 204].contains(answer.status.code)
    }
}
