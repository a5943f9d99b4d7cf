import Synchronization

/// Limits the number of handlers in flight.
final class ConcurrencyLimit: Sendable {
    private let places: Int
    private let taken = Mutex(0)

    init(places: Int) { self.places = places }

    /// Whether the limit is reached now. A place may be free a moment later.
    var isFull: Bool { taken.withLock { $0 >= places } }

    /// Takes a place; false if none is free. After true, the caller must call ``leave()``.
    func enter() -> Bool {
        taken.withLock { taken in
            guard taken < places else { return false }
            taken += 1
            return true
        }
    }

    func leave() { taken.withLock { $0 -= 1 } }
}
