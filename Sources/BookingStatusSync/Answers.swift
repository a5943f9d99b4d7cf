import Synchronization

/// Answers that tasks wait for, by number; each is given once.
final class Answers<Answer: Sendable>: Sendable {
    private let state = Mutex(State())

    private struct State {
        /// Those without an answer.
        var open: Set<Int> = []
        var waiters: [Int: CheckedContinuation<Answer, Never>] = [:]
        /// Answers that came before somebody waited.
        var early: [Int: Answer] = [:]
    }

    /// Says that the answer with this number will be waited for.
    func expect(_ number: Int) { state.withLock { _ = $0.open.insert(number) } }

    /// Whether the answer is still to come.
    func expects(_ number: Int) -> Bool { state.withLock { $0.open.contains(number) } }

    /// Waits for an answer that is expected.
    ///
    /// - Parameter cancelled: is called if the task is cancelled before that, and gives the answer.
    func answer(_ number: Int, ifCancelled cancelled: @escaping @Sendable () -> Answer) async -> Answer {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let answer: Answer? = state.withLock { state in
                    if let answer = state.early.removeValue(forKey: number) { return answer }
                    state.waiters[number] = continuation
                    return nil
                }
                if let answer { continuation.resume(returning: answer) }
            }
        } onCancel: {
            give(cancelled(), to: number)
        }
    }

    /// Gives an answer; one that nobody expects is dropped.
    func give(_ answer: Answer, to number: Int) {
        let waiter: CheckedContinuation<Answer, Never>? = state.withLock { state in
            guard state.open.remove(number) != nil else { return nil }
            let waiter = state.waiters.removeValue(forKey: number)
            if waiter == nil { state.early[number] = answer }
            return waiter
        }
        waiter?.resume(returning: answer)
    }
}
