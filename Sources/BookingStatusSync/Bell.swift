import Synchronization
import Support
import Zendesk

/// Wakes the tasks that wait for it. If it rang while nobody waited, the next wait returns
/// immediately.
final class Bell: Sendable {
    private let state = Mutex(State())

    private struct State {
        var hasRung = false
        var nextID = 0
        var waiters: [(id: Int, continuation: CheckedContinuation<Void, Never>)] = []
    }

    func ring() {
        let waiters = state.withLock { state in
            defer { state.waiters = [] }
            state.hasRung = state.waiters.isEmpty
            return state.waiters
        }
        for waiter in waiters { waiter.continuation.resume() }
    }

    /// Waits until the bell rings, the limit has passed or the task is cancelled.
    ///
    /// - Parameter limit: nil waits without a limit.
    func wait(atMost limit: Duration?, _ time: TimeSource) async {
        guard let limit else { return await wait() }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.wait() }
            group.addTask { try? await time.sleep(limit) }
            await group.next()
            group.cancelAll()
        }
    }

    private func wait() async {
        let id = state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isAwake = state.withLock { state in
                    if Task.isCancelled { return true }
                    if state.hasRung {
                        state.hasRung = false
                        return true
                    }
                    state.waiters.append((id, continuation))
                    return false
                }
                if isAwake { continuation.resume() }
            }
        } onCancel: {
            let waiter = state.withLock { state in
                state.waiters.firstIndex { $0.id == id }.map { state.waiters.remove(at: $0) }
            }
            waiter?.continuation.resume()
        }
    }
}
