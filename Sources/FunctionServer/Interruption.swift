import Synchronization

/// Why a request is not left to end by itself.
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

/// Carries interruptions from a connection's event loop to the task that answers its requests, one after the other.
final class Interruptions: Sendable {
    private let state = Mutex(State())

    private struct State {
        var turn = 0
        var interrupted: (turn: Int, reason: Interruption)?
        var waiting: CheckedContinuation<Interruption?, Never>?
    }

    /// Begins the next request's turn.
    func begin() -> Int {
        state.withLock { state in
            state.turn += 1
            return state.turn
        }
    }

    /// Interrupts the request with this turn, if it is not over; only the first reason counts.
    func interrupt(turn: Int, _ reason: Interruption) {
        let waiting: CheckedContinuation<Interruption?, Never>? = state.withLock { state in
            guard turn >= state.turn, state.interrupted?.turn != turn else { return nil }
            state.interrupted = (turn, reason)
            guard turn == state.turn else { return nil }
            defer { state.waiting = nil }
            return state.waiting
        }
        waiting?.resume(returning: reason)
    }

    /// Returns when the request with this turn is interrupted, or nil when the task is cancelled.
    func interruption(of turn: Int) async -> Interruption? {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let (isOver, reason): (Bool, Interruption?) = state.withLock { state in
                    if let interrupted = state.interrupted, interrupted.turn == turn { return (true, interrupted.reason) }
                    if Task.isCancelled { return (true, nil) }
                    state.waiting = continuation
                    return (false, nil)
                }
                if isOver { continuation.resume(returning: reason) }
            }
        } onCancel: {
            let waiting = state.withLock { state in
                defer { state.waiting = nil }
                return state.waiting
            }
            waiting?.resume(returning: nil)
        }
    }
}
