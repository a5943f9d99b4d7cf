import Support
import Logging
import SpannerChangeStreams
import Zendesk

/// A change that is to be applied to its tickets, with the origin that its writes and log lines
/// state. Events and sweeps create it.
struct PendingChange: Sendable {
    var tagChange: TagChange
    /// The statuses, for the log.
    var from: String
    var to: String
    /// The id of the event that brought it.
    var eventID: String
    var logger: Logger
    /// Low for a sweep beside live changes, which leaves half of the calls to them.
    var priority = CallPriority.high
    /// What sweeps have already logged; nil for an event's change.
    var reported: ReportedTickets?

    var isSweep: Bool { reported != nil }

    /// The metadata for the ticket's audit.
    ///
    /// - Parameter status: the tag that the update sets, `none` for an emptied field; nil if it
    ///   leaves the status field alone. It tells a tag that Zendesk dropped from one that a person
    ///   replaced.
    func metadata(status: String?) -> [String: String] {
        var metadata = [
            "source": "booking-status-sync", "booking": tagChange.bookingID, "event": eventID,
            "version": KeptVersion(bookingID: tagChange.bookingID, version: tagChange.version, tag: tagChange.to).text,
        ]
        if let status { metadata["status"] = status }
        if isSweep { metadata["task"] = "sweep" }
        return metadata
    }

    /// Writes the only log line for a change and a ticket. A sweep does not log tickets that are
    /// correct, and logs a lasting state only once.
    func log(_ result: TicketResult) {
        if let reported {
            guard result.outcome != .stale, result.outcome != .unchanged, let ticket = result.ticket else { return }
            guard reported.isNew(ticket, tagChange.bookingID, result) else { return }
        }
        var metadata: Logger.Metadata = [
            "booking": "\(Self.forLog(tagChange.bookingID))", "from": "\(from.forLog)", "to": "\(to.forLog)",
            "outcome": "\(result.outcome.rawValue)",
        ]
        if isSweep { metadata["task"] = "sweep" }
        if let ticket = result.ticket { metadata["ticket"] = "\(ticket)" }
        if let reason = result.reason { metadata["reason"] = "\(reason)" }
        if let writtenAt = result.writtenAt, !isSweep {
            let milliseconds = (writtenAt - tagChange.version.commitTimestamp.secondsSince1970) * 1000
            metadata["commit_to_write_ms"] = "\(Int(milliseconds.rounded()))"
        }
        logger.log(level: result.needsPerson ? .error : result.outcome.logLevel, "booking status", metadata: metadata)
    }

    /// Logs at debug level that the change waits for the previous one.
    func logParked() { logger.debug("booking status", metadata: ["booking": "\(Self.forLog(tagChange.bookingID))", "outcome": "parked"]) }

    /// Truncates a booking ID for the log. Anybody can type one into a ticket, even a guest.
    static func forLog(_ bookingID: String) -> String { bookingID.cut(to: 64) }
}

extension Outcome {
    var logLevel: Logger.Level {
        switch verdict {
        case .done: .info
        case .tryAgain: .notice
        case .never: .error
        }
    }
}
