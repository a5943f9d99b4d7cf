package import SpannerChangeStreams

/// The change of one booking's status: what a change record says, in the terms of this system.
package struct BookingChange: Equatable, Sendable {
    package var bookingID: String
    package var from: FormerStatus
    /// Nil where the booking was deleted or its status emptied.
    package var to: String?
    package var version: BookingVersion

    package init(bookingID: String, from: FormerStatus, to: String?, version: BookingVersion) {
        self.bookingID = bookingID
        self.from = from
        self.to = to
        self.version = version
    }
}

/// What a booking's status was before a change.
package enum FormerStatus: Equatable, Sendable {
    case status(String)
    /// It had none, or the booking did not exist.
    case none
    /// The stream does not capture old values.
    case unknown

    var text: String {
        switch self {
        case .status(let status): status
        case .none: "none"
        case .unknown: "unknown"
        }
    }
}

extension BookingChange {
    /// The status changes that a record holds, one for each row, in the record's order; empty if
    /// the record is of another table or leaves every status as it was.
    ///
    /// - Throws: ``UnusableRecord``.
    package static func changes(in record: DataChangeRecord, _ settings: BookingStatusSettings) throws(UnusableRecord) -> [BookingChange] {
        guard record.tableName == settings.table else { return [] }
        guard let commitTimestamp = record.commitTimestamp else { throw UnusableRecord("the record has no commitTimestamp") }
        let version = BookingVersion(
            commitTimestamp: commitTimestamp,
            recordSequence: record.recordSequence ?? "",
            transactionID: record.serverTransactionID ?? ""
        )
        var changes: [BookingChange] = []
        var bookings: Set<String> = []
        for mod in record.mods {
            guard let bookingID = mod.keys[settings.bookingIDColumn]?.text else {
                throw UnusableRecord("a row's key has no text or integer \(settings.bookingIDColumn)")
            }
            // The key may have more columns. A ticket names only this one, so it has to do by
            // itself.
            guard bookings.insert(bookingID).inserted else { throw UnusableRecord(ambiguous: bookingID, settings.bookingIDColumn) }
            guard let (from, to) = try statuses(of: mod, record.modType, settings.statusColumn) else { continue }
            changes.append(BookingChange(bookingID: bookingID, from: from, to: to, version: version))
        }
        return changes
    }

    /// Which side holds which columns follows from the stream's value capture type. The record's
    /// own word for that is not reliable, so it is told from what is there.
    ///
    /// - Returns: nil if the row's status is as it was.
    private static func statuses(
        of mod: DataChangeRecord.Mod,
        _ modType: DataChangeRecord.ModType,
        _ column: String
    ) throws(UnusableRecord) -> (from: FormerStatus, to: String?)? {
        let from: FormerStatus
        switch mod.oldValues[column] {
        case .null?: from = .none
        case let value?: from = .status(try status(value, column))
        // An old side that has other columns has every column that was modified.
        case nil where modType == .update && mod.hasOldValues: return nil
        case nil: from = modType == .insert ? .none : .unknown
        }
        let to: String?
        switch mod.newValues[column] {
        case _ where modType == .delete, .null?: to = nil
        case let value?: to = try status(value, column)
        case nil: return nil
        }
        switch (from, to) {
        case (.none, nil): return nil
        case (.status(let old), let new?) where old == new: return nil
        default: return (from, to)
        }
    }

    private static func status(_ value: ColumnValue, _ column: String) throws(UnusableRecord) -> String {
        guard let text = value.text else { throw UnusableRecord("a row's \(column) is neither text nor integer") }
        return text
    }
}

/// A change record that can never be processed; the reason quotes no value.
package struct UnusableRecord: Error, Equatable {
    package let reason: String
    /// The booking of which the record has several rows.
    package var ambiguousBookingID: String?

    init(_ reason: String) { self.reason = reason }

    init(ambiguous bookingID: String, _ column: String) {
        reason = "\(Outcome.ambiguousBooking.rawValue): two rows have the same \(column), which has to be unique by itself"
        ambiguousBookingID = bookingID
    }
}
