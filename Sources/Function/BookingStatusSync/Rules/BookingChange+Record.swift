package import SpannerChangeStreams

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
