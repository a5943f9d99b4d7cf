import Synchronization

/// The places for handlers in flight.
final class ConcurrencyLimit: Sendable {
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
///
/// A short request needs no room, so that long ones do not keep it out.
final class BodyBudget: Sendable {
    /// Bytes of a request that are not counted: an event of a usual size.
    static let short = 16 << 10

    private let limit: Int
    private let taken = Mutex(0)

    init(limit: Int) { self.limit = limit }

    /// Takes room for the bytes that a request grows by.
    ///
    /// - Returns: false where there is none.
    func take(_ bytes: Int, after held: Int) -> Bool {
        let counted = Self.counted(held + bytes) - Self.counted(held)
        guard counted > 0 else { return true }
        return taken.withLock { taken in
            guard taken + counted <= limit else { return false }
            taken += counted
            return true
        }
    }

    /// Gives back all that a request has taken.
    func giveBack(_ held: Int) {
        let counted = Self.counted(held)
        if counted > 0 { taken.withLock { $0 -= counted } }
    }

    private static func counted(_ bytes: Int) -> Int { max(0, bytes - short) }
}
