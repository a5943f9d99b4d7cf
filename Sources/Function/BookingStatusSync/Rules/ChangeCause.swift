package import Logging
import Zendesk

/// The properties shared by the changes of one record, or of one reading of a sweep.
package final class ChangeCause: Sendable {
    package let version: BookingVersion
    /// Whether the previous change may still be on its way.
    package let isFresh: Bool
    package let source: Source
    /// The id of the event that carried them.
    let eventID: String
    let logger: Logger
    /// Low for a sweep beside live changes, which leaves half of the calls to them.
    let level: CallPriority.Level
    /// The attribute `task` of its message: `sweep` or `ticket`; nil for a change record.
    package let task: String?
    /// What sweeps have already logged; nil for others.
    let reported: ReportedTickets?

    /// The source of a change.
    package enum Source: Sendable {
        /// A change record.
        case stream
        /// A reading of the booking. It shows the current status, not how it came about.
        case sweep
        /// The booking was not found. It may have been deleted, or may never have existed.
        case sweepWithoutBooking
        /// The ticket no longer names a booking, but our version names this one.
        case sweepWithoutBookingID
    }

    package convenience init(version: BookingVersion, isFresh: Bool, source: Source = .stream, eventID: String, logger: Logger) {
        self.init(version: version, isFresh: isFresh, source: source, eventID: eventID, logger: logger, level: .high)
    }

    init(
        version: BookingVersion,
        isFresh: Bool,
        source: Source,
        eventID: String,
        logger: Logger,
        level: CallPriority.Level,
        task: String? = nil,
        reported: ReportedTickets? = nil
    ) {
        self.version = version
        self.isFresh = isFresh
        self.source = source
        self.eventID = eventID
        self.logger = logger
        self.level = level
        self.task = task
        self.reported = reported
    }
}
