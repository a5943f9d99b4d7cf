import Synchronization

/// Admits a limited number of tasks at a time, in order of arrival.
package final class AsyncSemaphore: Sendable {
    private let state: Mutex<State>

    private struct State {
        var free: Int
        var nextID = 0
        var waiting: [(id: Int, continuation: CheckedContinuation<Bool, Never>?)] = []
        /// Results for waiting tasks whose continuation is not stored yet.
        var decided: [Int: Bool] = [:]
    }

    /// - Parameter places: how many tasks are admitted at a time. One makes it a lock.
    package init(places: Int = 1) { state = Mutex(State(free: places)) }

    /// Waits for a place.
    ///
    /// - Returns: false if the deadline passed or the task was canceled first. After true, the
    ///   caller must call ``leave()``.
    package func enter(before deadline: Deadline) async -> Bool {
        let id: Int? = state.withLock { state in
            guard state.free == 0 else {
                state.free -= 1
                return nil
            }
            state.nextID += 1
            state.waiting.append((state.nextID, nil))
            return state.nextID
        }
        guard let id else { return true }
        return await withTaskGroup(of: Bool?.self) { group in
            group.addTask { await self.turn(of: id) }
            group.addTask {
                try? await deadline.sleep()
                self.giveUp(id)
                return nil
            }
            var isIn = false
            for await result in group {
                guard let result else { continue }
                isIn = result
                group.cancelAll()
            }
            return isIn
        }
    }

    package func leave() {
        let next: CheckedContinuation<Bool, Never>? = state.withLock { state in
            guard !state.waiting.isEmpty else {
                state.free += 1
                return nil
            }
            let first = state.waiting.removeFirst()
            if first.continuation == nil { state.decided[first.id] = true }
            return first.continuation
        }
        next?.resume(returning: true)
    }

    private func turn(of id: Int) async -> Bool {
        await withCheckedContinuation { continuation in
            let decided: Bool? = state.withLock { state in
                if let decided = state.decided.removeValue(forKey: id) { return decided }
                if let index = state.waiting.firstIndex(where: { $0.id == id }) { state.waiting[index].continuation = continuation }
                return nil
            }
            if let decided { continuation.resume(returning: decided) }
        }
    }

    private func giveUp(_ id: Int) {
        let continuation: CheckedContinuation<Bool, Never>? = state.withLock { state in
            guard let index = state.waiting.firstIndex(where: { $0.id == id }) else { return nil }
            let waiting = state.waiting.remove(at: index)
            if waiting.continuation == nil { state.decided[id] = false }
            return waiting.continuation
        }
        continuation?.resume(returning: false)
    }
}
