import Logging
import SpannerChangeStreams
import Support

extension BookingChange {
    /// Writes the only log line for a change and a ticket. A sweep does not log tickets that are
    /// correct, and logs a lasting state only once.
    func log(_ result: TicketResult) {
        if let reported = cause.reported {
            guard result.outcome != .stale, result.outcome != .unchanged, let ticket = result.ticket else { return }
            guard reported.isNew(ticket, bookingID, result) else { return }
        }
        var metadata: Logger.Metadata = [
            "booking": "\(Self.forLog(bookingID))", "from": "\(from.text.forLog)", "to": "\((to?.name ?? "none").forLog)",
            "outcome": "\(result.outcome.rawValue)",
        ]
        if let task = cause.task { metadata["task"] = "\(task)" }
        if let ticket = result.ticket { metadata["ticket"] = "\(ticket)" }
        if let reason = result.reason { metadata["reason"] = "\(reason)" }
        if let writtenAt = result.writtenAt, cause.task == nil {
            let milliseconds = (writtenAt - version.commitTimestamp.secondsSince1970) * 1000
            metadata["commit_to_write_ms"] = "\(Int(milliseconds.rounded()))"
        }
        cause.logger.log(level: result.needsPerson ? .error : result.outcome.logLevel, "booking status", metadata: metadata)
    }

    /// Logs at debug level that the change waits for the previous one.
    func logParked() { cause.logger.debug("booking status", metadata: ["booking": "\(Self.forLog(bookingID))", "outcome": "parked"]) }

    /// Truncates a booking ID for the log. Anybody can type one into a ticket, even a guest.
    static func forLog(_ bookingID: String) -> String { bookingID.cut(to: 64) }
}

extension TicketResult {
    /// Writes the only log line for a ticket without a change.
    func log(task: String, _ logger: Logger) {
        var metadata: Logger.Metadata = ["task": "\(task)", "outcome": "\(outcome.rawValue)"]
        if let ticket { metadata["ticket"] = "\(ticket)" }
        if let reason { metadata["reason"] = "\(reason)" }
        logger.log(level: needsPerson ? .error : outcome.logLevel, "booking status", metadata: metadata)
    }
}

extension Outcome {
    fileprivate var logLevel: Logger.Level {
        switch verdict {
        case .done: .info
        case .tryAgain: .notice
        case .never: .error
        }
    }
}
