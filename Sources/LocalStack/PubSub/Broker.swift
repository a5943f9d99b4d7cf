package import FoundationEssentials

/// A topic with a push subscription and a dead-letter queue.
package protocol Broker: Sendable {
    /// - Returns: the message's id.
    func publish(_ data: Data) async throws -> String

    /// What was given up, oldest first.
    func deadLetters() async throws -> [DeadLetter]

    /// Publishes dead letters again, each as a new message, and takes them out of the queue.
    func replay(_ letters: [DeadLetter]) async throws
}

/// A message that was delivered as often as the subscription allows, and never acknowledged.
package struct DeadLetter: Equatable, Sendable {
    package var messageID: String
    package var data: Data
    /// What acknowledges it in its queue, where the queue has such a thing.
    package var ackID: String?
}
