import Logging
import Support
import Synchronization

/// Runs a function's background work while calls are in flight.
final class BackgroundWork: Sendable {
    private let work: @Sendable () async throws -> Void
    private let logger: Logger
    private let state = Mutex(State())

    private struct State {
        var calls = 0
        /// The last one that was started.
        var run: Run?
    }

    private struct Run: Sendable {
        let task: Task<Void, Never>
        let hasFailed: Locked<Bool>
    }

    init(_ work: @escaping @Sendable () async throws -> Void, _ logger: Logger) {
        self.work = work
        self.logger = logger
    }

    /// Makes a call. The first call in flight starts the background work. The last one cancels it
    /// and waits for its end.
    func answer(_ call: () async -> Answer) async -> Answer {
        let run = state.withLock { state in
            state.calls += 1
            let run = state.calls > 1 ? state.run! : start(after: state.run?.task)
            state.run = run
            return run
        }
        let answer = await call()
        let isLast = state.withLock { state in
            state.calls -= 1
            // Under the lock, so that no later call takes it for its own.
            if state.calls == 0 { run.task.cancel() }
            return state.calls == 0
        }
        if isLast { await run.task.value }
        return run.hasFailed.value ? .failed : answer
    }

    private func start(after former: Task<Void, Never>?) -> Run {
        let hasFailed = Locked(false)
        let task = Task { [work, logger] in
            await former?.value
            do {
                try await work()
            } catch  where !Task.isCancelled {
                hasFailed.withLock { $0 = true }
                logger.error("the function's background work failed", metadata: ["error": "\("\(error)".forLog)"])
            } catch {
                // No call is left that needs it.
            }
        }
        return Run(task: task, hasFailed: hasFailed)
    }
}
