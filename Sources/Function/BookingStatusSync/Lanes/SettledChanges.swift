import Synchronization

/// Remembers the settled changes of unfinished records. A redelivered record with a thousand rows
/// continues where it stopped.
///
/// Keeps two generations of records, each limited to the same number of rows: the recently used
/// ones and those before them. A forgotten record costs a few reads.
final class SettledChanges: Sendable {
    private let state = Mutex(State())
    private let maximumRows: Int

    /// - Parameter maximumRows: Spanner allows 80,000 mutations in a commit, so no record has more
    ///   rows.
    init(maximumRows: Int = 80_000) { self.maximumRows = maximumRows }

    /// The settled rows of one record, which share their version.
    private struct Record {
        var bookings: Set<String> = []
        /// Bookings that no delivery could settle so far. They are tried last, so that they do not
        /// block others.
        var hopeless: Set<String> = []

        var rows: Int { bookings.count + hopeless.count }
    }

    private struct State {
        var recent: [BookingVersion: Record] = [:]
        var older: [BookingVersion: Record] = [:]
        /// The rows in `recent`.
        var rows = 0

        mutating func take(_ version: BookingVersion) -> Record? {
            guard let record = recent.removeValue(forKey: version) else { return older.removeValue(forKey: version) }
            rows -= record.rows
            return record
        }

        mutating func put(_ record: Record, _ version: BookingVersion, maximumRows: Int) {
            if rows + record.rows > maximumRows { (older, recent, rows) = (recent, [:], 0) }
            recent[version] = record
            rows += record.rows
        }
    }

    /// The number of remembered rows.
    var rows: Int {
        state.withLock { state in (Array(state.recent.values) + Array(state.older.values)).reduce(0) { $0 + $1.rows } }
    }

    /// The next unsettled rows, up to a maximum, and the number of rows left after them.
    func open(_ changes: [BookingChange], maximum: Int) -> (changes: [BookingChange], left: Int) {
        let record: Record? = changes.first.flatMap { change in
            state.withLock { $0.recent[change.version] ?? $0.older[change.version] }
        }
        let open = changes.filter { record?.bookings.contains($0.bookingID) != true }
        guard open.count > maximum else { return (open, 0) }
        let isHopeless = { (change: BookingChange) in record?.hopeless.contains(change.bookingID) == true }
        return (Array((open.filter { !isHopeless($0) } + open.filter(isHopeless)).prefix(maximum)), open.count - maximum)
    }

    /// - Parameters:
    ///   - changes: the settled changes.
    ///   - hopeless: changes that cannot be settled as they stand.
    func remember(_ changes: [BookingChange], hopeless: [BookingChange]) {
        guard let version = (changes.first ?? hopeless.first)?.version else { return }
        state.withLock { state in
            var record = state.take(version) ?? Record()
            record.bookings.formUnion(changes.lazy.map(\.bookingID))
            record.hopeless.formUnion(hopeless.lazy.map(\.bookingID))
            record.hopeless.subtract(record.bookings)
            state.put(record, version, maximumRows: maximumRows)
        }
    }

    /// Forgets a record that is done.
    func forget(_ changes: [BookingChange]) {
        guard let version = changes.first?.version else { return }
        state.withLock { _ = $0.take(version) }
    }
}
