import Synchronization

/// Limits the request bytes held at once, from their arrival until the request is answered.
///
/// Short requests are not counted, so long ones cannot keep them out.
final class BodyBudget: Sendable {
    /// The bytes of each request that are not counted: the size of a usual event.
    static let short = 16 << 10

    private let limit: Int
    private let taken = Mutex(0)

    init(limit: Int) { self.limit = limit }

    /// Reserves the bytes by which a request grows.
    ///
    /// - Returns: false if they exceed the limit.
    func take(_ bytes: Int, after held: Int) -> Bool {
        let counted = Self.counted(held + bytes) - Self.counted(held)
        guard counted > 0 else { return true }
        return taken.withLock { taken in
            guard taken + counted <= limit else { return false }
            taken += counted
            return true
        }
    }

    /// Releases all bytes that a request has reserved.
    func giveBack(_ held: Int) {
        let counted = Self.counted(held)
        if counted > 0 { taken.withLock { $0 -= counted } }
    }

    private static func counted(_ bytes: Int) -> Int { max(0, bytes - short) }
}
