import Synchronization

/// The tasks of the handler that outlive the call that started them. ``run()`` is their parent.
final class TaskScope: Sendable {
    typealias Work = @Sendable () async -> Void

    private let state = Mutex(State())

    private struct State {
        var nextRun = 0
        var runs: [(id: Int, works: AsyncStream<Work>.Continuation)] = []
    }

    var isRunning: Bool { state.withLock { !$0.runs.isEmpty } }

    /// Starts a task.
    ///
    /// - Returns: false if nobody runs the tasks. Work that is started always runs to its end,
    ///   though it may find its task cancelled.
    func start(_ work: @escaping Work) -> Bool {
        state.withLock { state in
            state.runs.contains { run in
                if case .terminated = run.works.yield(work) { false } else { true }
            }
        }
    }

    /// Runs the tasks until its own task is cancelled, which cancels them.
    func run() async {
        let (works, continuation) = AsyncStream.makeStream(of: Work.self)
        let id = state.withLock { state in
            state.nextRun += 1
            state.runs.append((state.nextRun, continuation))
            return state.nextRun
        }
        await withDiscardingTaskGroup { group in
            // Cancellation ends the stream after what is already in it.
            for await work in works { group.addTask { await work() } }
            state.withLock { $0.runs.removeAll { $0.id == id } }
            group.cancelAll()
        }
    }
}

/// The error when nobody processes changes: the handler's `run()` has not been called or has ended.
struct HandlerIsNotRunning: Error, CustomStringConvertible {
    let description = "the handler is not running: its host has to call run() beside handle(_:context:)"
}
