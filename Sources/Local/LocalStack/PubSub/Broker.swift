package import FoundationEssentials

/// A topic with a push subscription and a dead-letter queue.
package protocol Broker: Sendable {
    /// - Returns: the message's id.
    @discardableResult
    func publish(_ data: Data, attributes: [String: String]) async throws -> String

    /// The messages that were given up, oldest first.
    func deadLetters() async throws -> [DeadLetter]

    /// Publishes dead letters again, each as a new message, and removes them from the queue.
    func replay(_ letters: [DeadLetter]) async throws
}

/// A message that was never acknowledged, despite the maximum number of delivery attempts.
package struct DeadLetter: Equatable, Sendable {
    package var messageID: String
    package var data: Data
    package var attributes: [String: String] = [:]
    /// The ID for acknowledging it in its queue, if the queue has such IDs.
    package var ackID: String?
}
