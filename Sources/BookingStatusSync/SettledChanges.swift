import Synchronization

/// What this instance has settled of records that are not done yet, so that a record with a
/// thousand rows goes on where it stopped when it is delivered again.
final class SettledChanges: Sendable {
    private let records = Mutex<[Record]>([])

    /// The rows of one record: they share their version.
    private struct Record {
        let version: BookingVersion
        var bookings: Set<String>
        /// Of those that no delivery could settle so far. They come last, so that they keep nobody
        /// out.
        var hopeless: Set<String> = []
    }

    /// Spanner takes 80,000 mutations in a commit, so that no record has more rows. Beyond it whole
    /// records are forgotten, the one that came least lately first and never the one at hand, which
    /// costs a few reads.
    private static let maximumRows = 80_000

    /// The rows to take up next: those that are not settled, at most so many; and how many are left
    /// then.
    func open(_ changes: [BookingChange], maximum: Int) -> (changes: [BookingChange], left: Int) {
        let record = records.withLock { records in records.last { $0.version == changes.first?.version } }
        let open = changes.filter { record?.bookings.contains($0.bookingID) != true }
        guard open.count > maximum else { return (open, 0) }
        let isHopeless = { (change: BookingChange) in record?.hopeless.contains(change.bookingID) == true }
        return (Array((open.filter { !isHopeless($0) } + open.filter(isHopeless)).prefix(maximum)), open.count - maximum)
    }

    /// - Parameters:
    ///   - changes: what was settled.
    ///   - hopeless: what can never be, as it stands.
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

    /// The record is done.
    func forget(_ changes: [BookingChange]) {
        records.withLock { records in records.removeAll { $0.version == changes.first?.version } }
    }
}
