import Synchronization

/// Signals the end of a connection to its task. It carries the answer if a request was interrupted.
final class ConnectionEnd: Sendable {
    private let state = Mutex(State())

    private struct State {
        var isOver = false
        var interruption: Answer?
        var waiting: CheckedContinuation<Void, Never>?
    }

    /// The answer to the interrupted request, if there is one.
    var interruption: Answer? { state.withLock(\.interruption) }

    /// - Parameter interruption: nil if the connection ended by itself.
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

    /// Waits for the end, whatever its cause.
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
