package import Logging
package import SpannerChangeStreams
import Support
import Zendesk

/// A change of one booking's status, from the record or sweep that tells it to its log line.
package struct BookingChange: Sendable {
    package let bookingID: String
    package let from: FormerStatus
    /// Nil if the booking was deleted or its status emptied.
    package let to: BookingStatus?
    package let cause: ChangeCause

    package init(bookingID: String, from: FormerStatus, to: BookingStatus?, cause: ChangeCause) {
        self.bookingID = bookingID
        self.from = from
        self.to = to
        self.cause = cause
    }

    package var version: BookingVersion { cause.version }
    package var isFresh: Bool { cause.isFresh }
    package var source: ChangeCause.Source { cause.source }
    var isSweep: Bool { cause.reported != nil }
    /// Whether its new status has a tag, or is none.
    var hasTag: Bool { to == nil || to?.tag != nil }
    /// Our version on a ticket that shows this change.
    var kept: KeptVersion { KeptVersion(bookingID: bookingID, version: version, tag: to?.tag) }
}

/// A booking's status, and the tag that a ticket shows for it.
package final class BookingStatus: Equatable, Sendable {
    package let name: String
    /// Nil if no tag is configured for it.
    package let tag: String?

    package init(name: String, tag: String?) {
        self.name = name
        self.tag = tag
    }

    package static func == (left: BookingStatus, right: BookingStatus) -> Bool { (left.name, left.tag) == (right.name, right.tag) }
}

/// A booking's status before a change.
package enum FormerStatus: Equatable, Sendable {
    case status(BookingStatus)
    /// The booking had no status or did not exist.
    case none
    /// The stream does not capture old values.
    case unknown

    var text: String {
        switch self {
        case .status(let status): status.name
        case .none: "none"
        case .unknown: "unknown"
        }
    }

    var tag: String? { if case .status(let status) = self { status.tag } else { nil } }
}

/// What the changes of one record, or of one reading of a sweep, have in common.
package final class ChangeCause: Sendable {
    package let version: BookingVersion
    /// Whether the previous change may still be on its way.
    package let isFresh: Bool
    package let source: Source
    /// The id of the event that brought them.
    let eventID: String
    let logger: Logger
    /// Low for a sweep beside live changes, which leaves half of the calls to them.
    let level: CallPriority.Level
    /// What sweeps have already logged; nil for an event's changes.
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
        self.init(version: version, isFresh: isFresh, source: source, eventID: eventID, logger: logger, level: .high, reported: nil)
    }

    init(
        version: BookingVersion,
        isFresh: Bool,
        source: Source,
        eventID: String,
        logger: Logger,
        level: CallPriority.Level,
        reported: ReportedTickets?
    ) {
        self.version = version
        self.isFresh = isFresh
        self.source = source
        self.eventID = eventID
        self.logger = logger
        self.level = level
        self.reported = reported
    }
}

extension BookingChange {
    /// The metadata for the ticket's audit.
    ///
    /// - Parameter status: the tag that the update sets, `none` for an emptied field; nil if it
    ///   leaves the status field alone. It tells a tag that Zendesk dropped from one that a person
    ///   replaced.
    func metadata(status: String?) -> [String: String] {
        var metadata = ["source": "booking-status-sync", "booking": bookingID, "event": cause.eventID, "version": kept.text]
        if let status { metadata["status"] = status }
        if isSweep { metadata["task"] = "sweep" }
        return metadata
    }

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
        if isSweep { metadata["task"] = "sweep" }
        if let ticket = result.ticket { metadata["ticket"] = "\(ticket)" }
        if let reason = result.reason { metadata["reason"] = "\(reason)" }
        if let writtenAt = result.writtenAt, !isSweep {
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

extension Outcome {
    var logLevel: Logger.Level {
        switch verdict {
        case .done: .info
        case .tryAgain: .notice
        case .never: .error
        }
    }
}

extension BookingChange {
    /// The status changes in a record, one per row, in the record's order. Empty if the record is
    /// for an ignored table or changes no status.
    ///
    /// - Parameter cause: what the changes of a version have in common.
    /// - Returns: the changes, and how many rows have no key.
    /// - Throws: ``UnusableRecord``.
    package static func changes(
        in record: DataChangeRecord,
        _ settings: BookingStatusSettings,
        cause: (BookingVersion) -> ChangeCause
    ) throws(UnusableRecord) -> (changes: [BookingChange], rowsWithoutKey: Int) {
        guard record.tableName == settings.table else {
            guard settings.ignoredTables?.contains(record.tableName) ?? true else {
                throw UnusableRecord(ofTable: record.tableName, settings.table)
            }
            return ([], 0)
        }
        guard let commitTimestamp = record.commitTimestamp else { throw UnusableRecord("the record has no commitTimestamp") }
        let version = BookingVersion(
            commitTimestamp: commitTimestamp,
            recordSequence: record.recordSequence ?? "",
            transactionID: record.serverTransactionID ?? ""
        )
        let cause = cause(version)
        let statuses = settings.tags.reduce(into: [:]) { $0[$1.key] = BookingStatus(name: $1.key, tag: $1.value) }
        var changes: [BookingChange] = []
        var bookings: Set<String> = []
        var rowsWithoutKey = 0
        for mod in record.mods {
            guard let key = mod.keys[settings.bookingIDColumn] else {
                throw UnusableRecord("a row's key has no column \(settings.bookingIDColumn): check BOOKING_ID_COLUMN")
            }
            if case .null = key {
                rowsWithoutKey += 1
                continue
            }
            guard let bookingID = key.text else {
                throw UnusableRecord("a row's key \(settings.bookingIDColumn) is neither text nor integer")
            }
            // The key may have more columns. A ticket names only this one, so it has to be unique
            // by itself.
            guard bookings.insert(bookingID).inserted else { throw UnusableRecord(ambiguous: bookingID, settings.bookingIDColumn) }
            guard let (from, to) = try Self.statuses(of: mod, record.modType, settings.statusColumn, statuses) else { continue }
            changes.append(BookingChange(bookingID: bookingID, from: from, to: to, cause: cause))
        }
        return (changes, rowsWithoutKey)
    }

    /// Reads a row's old and new status. Which columns are on which side depends on the stream's
    /// value capture type. The record's own statement of that type is unreliable, so this looks at
    /// the columns that are there.
    ///
    /// - Returns: nil if the row's status did not change.
    private static func statuses(
        of mod: DataChangeRecord.Mod,
        _ modType: DataChangeRecord.ModType,
        _ column: String,
        _ known: [String: BookingStatus]
    ) throws(UnusableRecord) -> (from: FormerStatus, to: BookingStatus?)? {
        let from: FormerStatus
        switch mod.oldValues[column] {
        case .null?: from = .none
        case let value?: from = .status(try status(value, column, known))
        // Old values that include other columns include every modified column.
        case nil where modType == .update && mod.hasOldValues: return nil
        case nil: from = modType == .insert ? .none : .unknown
        }
        let to: BookingStatus?
        switch mod.newValues[column] {
        case _ where modType == .delete, .null?: to = nil
        case let value?: to = try status(value, column, known)
        case nil: return nil
        }
        switch (from, to) {
        case (.none, nil): return nil
        case (.status(let old), let new?) where old == new: return nil
        default: return (from, to)
        }
    }

    private static func status(
        _ value: ColumnValue,
        _ column: String,
        _ known: [String: BookingStatus]
    ) throws(UnusableRecord) -> BookingStatus {
        guard let text = value.text else { throw UnusableRecord("a row's \(column) is neither text nor integer") }
        return known[text] ?? BookingStatus(name: text, tag: nil)
    }
}

/// A change record that can never be processed. The reason quotes no value.
package struct UnusableRecord: Error, Equatable {
    package let reason: String
    /// What to log, if it is more than the reason.
    package private(set) var outcome: Outcome?
    /// The booking for which the record has several rows.
    package private(set) var bookingID: String?

    init(_ reason: String) { self.reason = reason }

    init(ambiguous bookingID: String, _ column: String) {
        reason = "\(Outcome.ambiguousBooking.rawValue): two rows have the same \(column), which has to be unique by itself"
        self.bookingID = bookingID
        outcome = .ambiguousBooking
    }

    init(ofTable table: String, _ expected: String) {
        reason = "\(Outcome.otherTable.rawValue): the table is \(table.forLog), not \(expected): check BOOKING_TABLE and IGNORED_TABLES"
        outcome = .otherTable
    }
}
