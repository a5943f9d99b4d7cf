import Synchronization

/// What this instance has settled of records that are not done yet, so that a record with a thousand rows goes on where it stopped when it
/// is delivered again.
final class SettledChanges: Sendable {
    private let records = Mutex<[Record]>([])

    /// The rows of one record: they share their version.
    private struct Record {
        let version: BookingVersion
        var bookings: Set<String>
    }

    /// Spanner takes 80,000 mutations in a commit, so that no record has more rows. Beyond it whole records are forgotten, the one that
    /// came least lately first and never the one at hand, which costs a few reads.
    private static let maximumRows = 80_000

    func contains(_ change: BookingChange) -> Bool {
        records.withLock { records in records.last { $0.version == change.version }?.bookings.contains(change.bookingID) ?? false }
    }

    func remember(_ changes: [BookingChange]) {
        guard let version = changes.first?.version else { return }
        records.withLock { records in
            var record = Record(version: version, bookings: Set(changes.map(\.bookingID)))
            if let index = records.firstIndex(where: { $0.version == version }) {
                record.bookings.formUnion(records.remove(at: index).bookings)
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
