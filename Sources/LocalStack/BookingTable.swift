import Timestamps

/// The Bookings table and its change stream, in memory: each commit gives the record that Spanner's stream would.
package struct BookingTable: Sendable {
    /// The status of each booking, by ID.
    package private(set) var statuses: [String: String] = [:]
    private var transactions = 0

    package init() {}

    /// What a transaction did to the table, as the change stream tells it.
    package struct ChangeRecord: Equatable, Sendable {
        package var bookingID: String
        /// Nil if the row was inserted.
        package var from: String?
        /// Nil if the row was deleted.
        package var to: String?
        /// Whole seconds since 1970, and microseconds beyond.
        package var commitSeconds: Int64
        package var commitMicroseconds: Int32
        package var transactionID: String

        package init(bookingID: String, from: String?, to: String?, committedAt: Double, transactionID: String) {
            self.bookingID = bookingID
            self.from = from
            self.to = to
            commitSeconds = Int64(committedAt.rounded(.down))
            commitMicroseconds = Int32((committedAt - committedAt.rounded(.down)) * 1_000_000)
            self.transactionID = transactionID
        }

        package var committedAt: Double { Double(commitSeconds) + Double(commitMicroseconds) / 1_000_000 }
    }

    /// Inserts, updates or deletes a booking.
    ///
    /// - Parameters:
    ///   - status: nil deletes.
    ///   - now: the commit time, in seconds since 1970.
    /// - Returns: nil if there is nothing to delete.
    package mutating func commit(_ bookingID: String, _ status: String?, now: Double) -> ChangeRecord? {
        let former = statuses[bookingID]
        guard former != nil || status != nil else { return nil }
        statuses[bookingID] = status
        transactions += 1
        return ChangeRecord(bookingID: bookingID, from: former, to: status, committedAt: now, transactionID: "\(transactions)")
    }
}
