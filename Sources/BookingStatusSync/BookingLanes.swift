import Synchronization
import Zendesk

/// Takes the changes of one booking one after the other, and those that wait meanwhile all at once.
///
/// Whoever has its turn settles every change that has come in by the time the tickets are read, and leaves the others their results.
final class BookingLanes: Sendable {
    private let lanes = Mutex<[String: Lane]>([:])

    private final class Lane: Sendable {
        let gate = Gate()
        let state = Mutex(State())

        struct State {
            var users = 0
            var nextID = 0
            var waiting: [(id: Int, change: PendingChange)] = []
            var settled: [Int: [TicketResult]] = [:]
        }
    }

    /// - Parameter settle: brings changes of the booking to its tickets; it takes the changes when it is ready to decide, once, and gives
    ///   the results of each in the same order.
    /// - Returns: what became of this change; nil if its turn did not come before the deadline.
    func settle(
        _ change: PendingChange,
        before deadline: Deadline,
        _ settle: (_ take: () -> [PendingChange]) async -> [[TicketResult]]
    ) async -> [TicketResult]? {
        let bookingID = change.tagChange.bookingID
        let (lane, id) = join(bookingID, change)
        defer { leave(bookingID, lane) }
        guard await lane.gate.enter(before: deadline) else {
            return lane.state.withLock { state in
                state.waiting.removeAll { $0.id == id }
                return state.settled.removeValue(forKey: id)
            }
        }
        defer { lane.gate.leave() }
        if let done = lane.state.withLock({ $0.settled.removeValue(forKey: id) }) { return done }
        var batch: [(id: Int, change: PendingChange)] = []
        let results = await settle {
            batch = lane.state.withLock { $0.waiting }
            return batch.map(\.change)
        }
        return lane.state.withLock { state in
            var own: [TicketResult] = []
            for (entry, results) in zip(batch, results) {
                if entry.id == id {
                    own = results
                } else if results.contains(where: { $0.outcome == .deferred || $0.outcome == .conflict }) {
                    // Another caller may have more time.
                    continue
                } else if state.waiting.contains(where: { $0.id == entry.id }) {
                    state.settled[entry.id] = results
                }
                state.waiting.removeAll { $0.id == entry.id }
            }
            return own
        }
    }

    private func join(_ bookingID: String, _ change: PendingChange) -> (Lane, Int) {
        lanes.withLock { lanes in
            let lane = lanes[bookingID] ?? Lane()
            lanes[bookingID] = lane
            let id = lane.state.withLock { state in
                state.users += 1
                state.nextID += 1
                state.waiting.append((state.nextID, change))
                return state.nextID
            }
            return (lane, id)
        }
    }

    private func leave(_ bookingID: String, _ lane: Lane) {
        lanes.withLock { lanes in
            let isEmpty = lane.state.withLock { state in
                state.users -= 1
                return state.users == 0
            }
            if isEmpty { lanes[bookingID] = nil }
        }
    }
}

/// A change on its way, with what its write will say about where it came from.
struct PendingChange: Sendable {
    var tagChange: TagChange
    var metadata: [String: String]
    /// Whether others go first where updates are scarce.
    var yields = false
}
