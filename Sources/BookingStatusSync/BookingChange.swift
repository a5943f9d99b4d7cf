package import SpannerChangeStreams

/// A change of one booking's status, taken from a change record.
package struct BookingChange: Equatable, Sendable {
    package var bookingID: String
    package var from: FormerStatus
    /// Nil if the booking was deleted or its status emptied.
    package var to: String?
    package var version: BookingVersion

    package init(bookingID: String, from: FormerStatus, to: String?, version: BookingVersion) {
        self.bookingID = bookingID
        self.from = from
        self.to = to
        self.version = version
    }
}

/// A booking's status before a change.
package enum FormerStatus: Equatable, Sendable {
    case status(String)
    /// The booking had no status or did not exist.
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
    /// The status changes in a record, one per row, in the record's order. Empty if the record is
    /// for another table or changes no status.
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
            // The key may have more columns. A ticket names only this one, so it has to be unique
            // by itself.
            guard bookings.insert(bookingID).inserted else { throw UnusableRecord(ambiguous: bookingID, settings.bookingIDColumn) }
            guard let (from, to) = try statuses(of: mod, record.modType, settings.statusColumn) else { continue }
            changes.append(BookingChange(bookingID: bookingID, from: from, to: to, version: version))
        }
        return changes
    }

    /// Reads a row's old and new status. Which columns are on which side depends on the stream's
    /// value capture type. The record's own statement of that type is unreliable, so this looks at
    /// the columns that are there.
    ///
    /// - Returns: nil if the row's status did not change.
    private static func statuses(
        of mod: DataChangeRecord.Mod,
        _ modType: DataChangeRecord.ModType,
        _ column: String
    ) throws(UnusableRecord) -> (from: FormerStatus, to: String?)? {
        let from: FormerStatus
        switch mod.oldValues[column] {
        case .null?: from = .none
        case let value?: from = .status(try status(value, column))
        // Old values that include other columns include every modified column.
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

/// A change record that can never be processed. The reason quotes no value.
package struct UnusableRecord: Error, Equatable {
    package let reason: String
    /// The booking for which the record has several rows.
    package var ambiguousBookingID: String?

    init(_ reason: String) { self.reason = reason }

    init(ambiguous bookingID: String, _ column: String) {
        reason = "\(Outcome.ambiguousBooking.rawValue): two rows have the same \(column), which has to be unique by itself"
        ambiguousBookingID = bookingID
    }
}
