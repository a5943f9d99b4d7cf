import Synchronization

/// Tells the task that works on a connection's requests that the connection has ended, and with
/// which answer if it cut a request off.
final class ConnectionEnd: Sendable {
    private let state = Mutex(State())

    private struct State {
        var isOver = false
        var interruption: Answer?
        var waiting: CheckedContinuation<Void, Never>?
    }

    /// Why the request in work was cut off, if it was.
    var interruption: Answer? { state.withLock(\.interruption) }

    /// - Parameter interruption: nil for a connection that has ended by itself.
    func come(_ interruption: Answer?) {
        let waiting: CheckedContinuation<Void, Never>? = state.withLock { state in
            guard !state.isOver else { return nil }
            state.isOver = true
            state.interruption = interruption
            defer { state.waiting = nil }
            return state.waiting
        }
        waiting?.resume()
    }

    /// Returns when the end has come, whichever it is.
    func wait() async {
        await withCheckedContinuation { continuation in
            let isOver = state.withLock { state in
                if !state.isOver { state.waiting = continuation }
                return state.isOver
            }
            if isOver { continuation.resume() }
        }
    }
}
