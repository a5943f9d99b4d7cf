import Synchronization

/// Why a request is not left to end by itself. The connection has answered it then, and is used for no other.
enum Interruption: Equatable, Sendable {
    /// The function's time is over.
    case outOfTime
    /// The time that a stopping server gives to what is in flight is over.
    case stopping
    /// Nobody is there to read the answer.
    case clientGone
    /// The request did not arrive in the time that it has for it.
    case slowRequest
    /// What arrived is not HTTP.
    case malformed
}

/// Carries a connection's interruption from its event loop to the task that works on its requests.
final class ConnectionEnd: Sendable {
    private let state = Mutex(State())

    private struct State {
        var isOver = false
        var interruption: Interruption?
        var waiting: CheckedContinuation<Void, Never>?
    }

    /// Why the request in work was cut off, if it was.
    var interruption: Interruption? { state.withLock(\.interruption) }

    /// - Parameter interruption: nil for a connection that has ended by itself.
    func come(_ interruption: Interruption?) {
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
