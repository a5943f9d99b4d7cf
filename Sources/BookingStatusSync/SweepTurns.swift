import Synchronization
import Support
import Zendesk

/// Lets one sweep run at a time, and skips a sweep that a later one has overtaken. It remembers how
/// far back the next sweep has to look.
final class SweepTurns: Sendable {
    private let gate = AsyncSemaphore()
    private let state = Mutex(State())

    private struct State {
        var latest = -Double.infinity
        /// The earliest update to sweep, in seconds since 1970 by Zendesk's clock.
        var start: Int64?
    }

    enum Turn { case taken, superseded, timeIsUp }

    /// How far a sweep looks back before the last complete one, in seconds. For that long a change
    /// may miss a new ticket, because the search index lags.
    static let window: Int64 = 15 * 60

    /// - Parameter publishedAt: seconds since 1970.
    func take(_ publishedAt: Double, before deadline: Deadline) async -> Turn {
        if isOvertaken(publishedAt) { return .superseded }
        guard await gate.enter(before: deadline) else { return .timeIsUp }
        if isOvertaken(publishedAt) {
            gate.leave()
            return .superseded
        }
        return .taken
    }

    func end() { gate.leave() }

    /// The earliest update that the next sweep looks at. Only a completed pass moves it.
    ///
    /// - Parameter secondsSince1970: now.
    func start(_ secondsSince1970: Int64) -> Int64 {
        state.withLock { state in
            let start = state.start ?? secondsSince1970 - Self.window
            state.start = start
            return start
        }
    }

    /// Records the completion of a pass that began at this time.
    func finished(begin: Int64) { state.withLock { $0.start = begin - Self.window } }

    private func isOvertaken(_ publishedAt: Double) -> Bool {
        state.withLock { state in
            state.latest = max(state.latest, publishedAt)
            return publishedAt < state.latest
        }
    }
}
