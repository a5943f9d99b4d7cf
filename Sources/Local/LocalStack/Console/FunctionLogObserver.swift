package import Logging

/// Records each change's outcome from the function's log, the only place that states it.
package struct FunctionLogObserver: LogHandler {
    package var logLevel: Logger.Level = .info
    package var metadata: Logger.Metadata = [:]
    private let journal: Journal

    package init(_ journal: Journal) { self.journal = journal }

    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    package func log(event: LogEvent) {
        guard event.message.description == "booking status" else { return }
        let all = metadata.merging(event.metadata ?? [:]) { _, own in own }
        guard let messageID = all["message_id"], let outcome = all["outcome"] else { return }
        journal.logged(
            "\(messageID)",
            ticket: all["ticket"].map { "\($0)" },
            outcome: "\(outcome)",
            reason: all["reason"].map { "\($0)" }
        )
    }
}
