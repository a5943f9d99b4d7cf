import Synchronization

/// What this instance has settled of records that are not done yet, so that a record with a thousand rows goes on where it stopped when it
/// is delivered again.
final class SettledChanges: Sendable {
    private let state = Mutex(State())

    private struct State {
        var known: Set<Key> = []
        var order: [Key] = []
    }

    private struct Key: Hashable {
        let bookingID: String
        let version: BookingVersion
    }

    /// Beyond this the oldest are forgotten, which costs a few reads and nothing else.
    private static let most = 20_000

    func contains(_ change: BookingChange) -> Bool {
        state.withLock { $0.known.contains(Key(bookingID: change.bookingID, version: change.version)) }
    }

    func remember(_ changes: [BookingChange]) {
        state.withLock { state in
            for change in changes {
                let key = Key(bookingID: change.bookingID, version: change.version)
                if state.known.insert(key).inserted { state.order.append(key) }
            }
            let surplus = state.order.count - Self.most
            guard surplus > 0 else { return }
            for key in state.order.prefix(surplus) { state.known.remove(key) }
            state.order.removeFirst(surplus)
        }
    }

    /// The record is done.
    func forget(_ changes: [BookingChange]) {
        state.withLock { state in
            let keys = Set(changes.map { Key(bookingID: $0.bookingID, version: $0.version) })
            guard !state.known.isDisjoint(with: keys) else { return }
            state.known.subtract(keys)
            state.order.removeAll { keys.contains($0) }
        }
    }
}
