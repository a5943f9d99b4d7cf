import Synchronization
import Zendesk

/// Lets one sweep run at a time, and none that has been overtaken by a later one; and remembers where one stopped.
final class SweepTurns: Sendable {
    private let gate = Gate()
    private let state = Mutex(State())

    private struct State {
        var latest = -Double.infinity
        var stop: (scope: Sweep.Scope, cursor: String?, at: Duration)?
        /// When the pass at hand began, and the last one that came to its end, in seconds since 1970.
        var began: Int64?
        var lastComplete: Int64?
    }

    enum Turn { case taken, superseded, timeIsUp }

    /// A cursor of the search's export lasts for an hour.
    private static let cursorLifetime = Duration.seconds(3000)

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

    /// Where the next sweep begins: where the one before stopped, so that the tickets at the end have their turn, too. A new pass looks as
    /// far back as the last complete one began, and the window besides.
    func start(_ now: Duration, secondsSince1970: Int64, window: Int64) -> (scope: Sweep.Scope, cursor: String?) {
        state.withLock { state in
            if let stop = state.stop { return (stop.scope, now - stop.at < Self.cursorLifetime ? stop.cursor : nil) }
            state.began = secondsSince1970
            return (.updatedAfter(min(secondsSince1970, state.lastComplete ?? secondsSince1970) - window), nil)
        }
    }

    func stopped(_ scope: Sweep.Scope, at cursor: String?, _ now: Duration) {
        state.withLock { $0.stop = (scope, cursor, now) }
    }

    func finished() {
        state.withLock { state in
            state.stop = nil
            state.lastComplete = state.began
        }
    }

    private func isOvertaken(_ publishedAt: Double) -> Bool {
        state.withLock { state in
            state.latest = max(state.latest, publishedAt)
            return publishedAt < state.latest
        }
    }
}
