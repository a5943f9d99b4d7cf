import Synchronization

/// Delivers numbered answers to the tasks that wait for them. Each answer is delivered once.
final class Answers<Answer: Sendable>: Sendable {
    private let state = Mutex(State())

    private struct State {
        /// Numbers without an answer.
        var open: Set<Int> = []
        var waiters: [Int: CheckedContinuation<Answer, Never>] = [:]
        /// Answers that came before anyone waited.
        var early: [Int: Answer] = [:]
    }

    /// Registers a number whose answer a task will wait for.
    func expect(_ number: Int) { state.withLock { _ = $0.open.insert(number) } }

    /// Whether the answer is still open.
    func expects(_ number: Int) -> Bool { state.withLock { $0.open.contains(number) } }

    /// Waits for an expected answer.
    ///
    /// - Parameter cancelled: supplies the answer if the task is cancelled first.
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

    /// Delivers an answer. Drops one that nobody expects.
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
