import Support

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
