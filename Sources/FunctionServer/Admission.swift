import Synchronization

/// The places for handlers in flight.
final class Admission: Sendable {
    private let places: Int
    private let taken = Atomic(0)

    init(places: Int) { self.places = places }

    /// Whether there is no place now; one may be free again a moment later.
    var isFull: Bool { taken.load(ordering: .relaxed) >= places }

    /// Takes a place; false where there is none. If true, ``leave()`` has to follow.
    func enter() -> Bool {
        guard taken.add(1, ordering: .relaxed).newValue <= places else {
            leave()
            return false
        }
        return true
    }

    func leave() { taken.subtract(1, ordering: .relaxed) }
}
