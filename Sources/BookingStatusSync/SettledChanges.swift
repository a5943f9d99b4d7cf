import Synchronization

/// Remembers the settled changes of unfinished records. A redelivered record with a thousand rows
/// continues where it stopped.
final class SettledChanges: Sendable {
    private let records = Mutex<[Record]>([])

    /// The settled rows of one record, which share their version.
    private struct Record {
        let version: BookingVersion
        var bookings: Set<String>
        /// Bookings that no delivery could settle so far. They come last, so that they do not keep
        /// others out.
        var hopeless: Set<String> = []
    }

    /// Maximum number of remembered rows. Spanner allows 80,000 mutations in a commit, so no record
    /// has more rows. Beyond the limit, whole records are forgotten, which costs a few reads. The
    /// least recent record goes first, and never the current one.
    private static let maximumRows = 80_000

    /// The next unsettled rows, up to a maximum, and the number of rows left after them.
    func open(_ changes: [BookingChange], maximum: Int) -> (changes: [BookingChange], left: Int) {
        let record = records.withLock { records in records.last { $0.version == changes.first?.version } }
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
        records.withLock { records in
            var record = Record(version: version, bookings: Set(changes.map(\.bookingID)), hopeless: Set(hopeless.map(\.bookingID)))
            if let index = records.firstIndex(where: { $0.version == version }) {
                let former = records.remove(at: index)
                record.bookings.formUnion(former.bookings)
                record.hopeless.formUnion(former.hopeless)
            }
            records.append(record)
            while records.count > 1, records.reduce(0, { $0 + $1.bookings.count }) > Self.maximumRows { records.removeFirst() }
        }
    }

    /// Forgets a record that is done.
    func forget(_ changes: [BookingChange]) {
        records.withLock { records in records.removeAll { $0.version == changes.first?.version } }
    }
}
