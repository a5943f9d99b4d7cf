import BookingStatusSync
import SpannerChangeStreams
import Synchronization
import Support
import Zendesk

/// Bookings in memory, read a moment ago.
final class StoredBookings: BookingSource {
    struct State {
        var statuses: [String: String?] = [:]
        var readTimestamp = CommitTimestamp(seconds: 1_795_464_899, nanoseconds: 123_456_000, precision: .microseconds)
        var ambiguous: Set<String> = []
        var error: BookingSourceError?
        var reads: [[String]] = []
        /// Runs during the first reading.
        var duringFirstRead: (@Sendable () async -> Void)?
    }

    let state = Mutex(State())

    func set(_ bookingID: String, _ status: String?) { state.withLock { _ = $0.statuses.updateValue(status, forKey: bookingID) } }

    func read(_ ids: [String], deadline: Deadline) async throws(BookingSourceError) -> BookingReading {
        let (reading, error, meanwhile) = state.withLock { state in
            state.reads.append(ids)
            let found = state.statuses.filter { ids.contains($0.key) }
            defer { state.duringFirstRead = nil }
            return (
                BookingReading(statuses: found, ambiguous: state.ambiguous, readTimestamp: state.readTimestamp), state.error,
                state.duringFirstRead
            )
        }
        await meanwhile?()
        if let error { throw error }
        return reading
    }
}
