package import BookingStatusSync
import FoundationEssentials
import SpannerChangeStreams
import Synchronization
package import Support

/// Stores bookings. Their changes come out of a change stream.
package protocol BookingStore: Sendable {
    /// Inserts, updates or deletes a booking.
    ///
    /// - Parameter status: nil deletes.
    /// - Returns: the commit time, in seconds since 1970; nil if there was nothing to delete.
    func commit(_ bookingID: String, _ status: String?) async throws -> Double?

    /// The status of each booking, by ID.
    func statuses() async throws -> [String: String]
}

/// The Bookings table and its change stream, in memory.
package final class BookingTable: BookingStore {
    private let state = Mutex(State())
    private let stream: @Sendable (ChangeRecord) -> Void

    private struct State {
        var statuses: [String: String] = [:]
        var transactions = 0
    }

    /// - Parameter stream: receives the record of each commit.
    package init(stream: @escaping @Sendable (ChangeRecord) -> Void) { self.stream = stream }

    package func commit(_ bookingID: String, _ status: String?) -> Double? {
        let record: ChangeRecord? = state.withLock { state in
            let former = state.statuses[bookingID]
            guard former != nil || status != nil else { return nil }
            state.statuses[bookingID] = status
            state.transactions += 1
            return ChangeRecord(
                bookingID: bookingID,
                from: former,
                to: status,
                committedAt: Date().timeIntervalSince1970,
                transactionID: "\(state.transactions)"
            )
        }
        guard let record else { return nil }
        stream(record)
        return record.committedAt
    }

    package func statuses() -> [String: String] { state.withLock(\.statuses) }
}

extension BookingTable: BookingSource {
    package func read(_ ids: [String], deadline: Deadline) -> BookingReading {
        state.withLock { state in
            let now = Date().timeIntervalSince1970
            let microseconds = Int64((now * 1_000_000).rounded(.down))
            let found = ids.compactMap { id in state.statuses[id].map { (id, Optional($0)) } }
            return BookingReading(
                statuses: Dictionary(uniqueKeysWithValues: found),
                readTimestamp: CommitTimestamp(
                    seconds: microseconds / 1_000_000,
                    nanoseconds: Int32(microseconds % 1_000_000) * 1000,
                    precision: .microseconds
                )
            )
        }
    }
}
