import Synchronization

/// The places for handlers in flight.
final class Admission: Sendable {
    private let places: Int
    private let taken = Mutex(0)

    init(places: Int) { self.places = places }

    /// Whether there is no place now; one may be free again a moment later.
    var isFull: Bool { taken.withLock { $0 >= places } }

    /// Takes a place; false where there is none. If true, ``leave()`` has to follow.
    func enter() -> Bool {
        taken.withLock { taken in
            guard taken < places else { return false }
            taken += 1
            return true
        }
    }

    func leave() { taken.withLock { $0 -= 1 } }
}

/// The bytes of requests that are held at once: from their arrival until the request is answered.
final class BodyBudget: Sendable {
    private let limit: Int
    private let taken = Mutex(0)

    init(limit: Int) { self.limit = limit }

    /// Takes room for so many bytes; false where there is none.
    func take(_ bytes: Int) -> Bool {
        taken.withLock { taken in
            guard taken + bytes <= limit else { return false }
            taken += bytes
            return true
        }
    }

    func give(back bytes: Int) { taken.withLock { $0 -= bytes } }
}
