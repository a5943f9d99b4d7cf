import Synchronization
import Support

/// Lets one minute sweep run at a time, and skips one that a later one has overtaken.
final class SweepTurns: Sendable {
    private let gate = AsyncSemaphore()
    private let state = Mutex(State())

    private struct State {
        var latest = -Double.infinity
        var window: SweepWindow?
    }

    enum Turn { case taken(SweepWindow), superseded, timeIsUp }

    /// - Parameters:
    ///   - publishedAt: seconds since 1970.
    ///   - now: seconds since 1970.
    func take(_ publishedAt: Double, now: Int64, before deadline: Deadline) async -> Turn {
        if isOvertaken(publishedAt) { return .superseded }
        guard await gate.enter(before: deadline) else { return .timeIsUp }
        if isOvertaken(publishedAt) {
            gate.leave()
            return .superseded
        }
        return .taken(state.withLock(\.window) ?? SweepWindow(now: now))
    }

    func end(_ window: SweepWindow) {
        state.withLock { $0.window = window }
        gate.leave()
    }

    private func isOvertaken(_ publishedAt: Double) -> Bool {
        state.withLock { state in
            state.latest = max(state.latest, publishedAt)
            return publishedAt < state.latest
        }
    }
}
