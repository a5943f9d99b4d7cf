import Synchronization

/// Stops a sweep from clearing most tickets, as it would with the wrong database. Normally only a
/// small share of the bookings that open tickets name are deleted.
final class ClearGuard: Sendable {
    private let lookups = Mutex<[String: Lookup]>([:])
    private let mayClear: Bool

    private struct Lookup {
        var at: Duration
        var isAbsent: Bool
    }

    /// The bookings with a status of ours that were looked up within the last hour.
    struct Share: Equatable, Sendable {
        var lookedUp: Int
        var absent: Int

        /// Whether clearing needs a person's approval. A small sample proves nothing, and affects
        /// few tickets.
        var isSuspicious: Bool { lookedUp >= ClearGuard.enough && absent * 2 > lookedUp }
    }

    private static let window = Duration.seconds(3600)
    private static let enough = 20
    private static let maximum = 20_000

    /// - Parameter mayClear: whether a person has approved clearing.
    init(mayClear: Bool) { self.mayClear = mayClear }

    /// Whether clearing is held back now.
    var isHolding: Bool { !mayClear && share(lookups.withLock(\.self)).isSuspicious }

    private func share(_ lookups: [String: Lookup]) -> Share {
        Share(lookedUp: lookups.count, absent: lookups.values.count { $0.isAbsent })
    }

    /// Records lookups before their tickets are cleared.
    ///
    /// - Parameter bookings: bookings with a ticket that shows a status of ours, and whether each
    ///   is absent.
    /// - Returns: the share that is suspicious; nil if tickets may be cleared.
    func note(_ bookings: [(id: String, isAbsent: Bool)], _ now: Duration) -> Share? {
        let share = lookups.withLock { lookups in
            lookups = lookups.filter { now - $0.value.at < Self.window }
            if lookups.count > Self.maximum { lookups = [:] }
            for (id, isAbsent) in bookings { lookups[id] = Lookup(at: now, isAbsent: isAbsent) }
            return self.share(lookups)
        }
        return share.isSuspicious && !mayClear ? share : nil
    }
}
