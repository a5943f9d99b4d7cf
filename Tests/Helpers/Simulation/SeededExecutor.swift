import Foundation
package import ZendeskSimulator

/// Runs tasks on one thread in virtual time, in an order that the seed decides. The same seed gives
/// the same run.
///
/// A job that is enqueued from another thread has left the simulation, and traps.
package final class SeededExecutor: TaskExecutor, @unchecked Sendable {
    private var thread = pthread_self()
    private var jobs: SplitMix64
    private var ready: [UnownedJob] = []
    private var sleepers: [Sleeper] = []
    private var nextSleeper = 0
    package private(set) var now = Duration.zero
    /// The world's randomness, separate from that of the job order.
    package var random: SplitMix64

    private struct Sleeper {
        let wakesAt: Duration
        let id: Int
        let continuation: UnsafeContinuation<Void, any Error>
    }

    package init(seed: UInt64) {
        jobs = SplitMix64(seed: seed &* 2)
        random = SplitMix64(seed: seed &* 2 &+ 1)
    }

    package func enqueue(_ job: consuming ExecutorJob) {
        precondition(pthread_equal(pthread_self(), thread) != 0, "a job has left the simulation")
        ready.append(UnownedJob(job))
    }

    /// Runs the body, and everything it starts, to completion.
    package func run(_ body: @escaping @Sendable () async -> Void) {
        let isDone = Flag()
        var jobsAtOnce = 0
        thread = pthread_self()
        Task(executorPreference: self) {
            await body()
            isDone.value = true
        }
        while true {
            if ready.isEmpty {
                guard let next = sleepers.first else { break }
                if next.wakesAt > now { jobsAtOnce = 0 }
                now = next.wakesAt
                while let sleeper = sleepers.first, sleeper.wakesAt == now {
                    sleepers.removeFirst()
                    sleeper.continuation.resume()
                }
                continue
            }
            jobsAtOnce += 1
            precondition(jobsAtOnce < 1_000_000, "the simulation is stuck: a million jobs, and no time has passed")
            let index = Int.random(in: 0..<ready.count, using: &jobs)
            let job = ready[index]
            ready[index] = ready[ready.count - 1]
            ready.removeLast()
            job.runSynchronously(on: asUnownedTaskExecutor())
        }
        precondition(isDone.value, "the simulation is stuck: nothing is ready, nobody sleeps, and the world has not ended")
    }

    /// Moves the time between two runs.
    package func advance(_ duration: Duration) { now += duration }

    package func sleep(_ duration: Duration) async throws {
        nextSleeper += 1
        let id = nextSleeper
        try await withTaskCancellationHandler {
            try await withUnsafeThrowingContinuation { (continuation: UnsafeContinuation<Void, any Error>) in
                guard !Task.isCancelled else { return continuation.resume(throwing: CancellationError()) }
                let sleeper = Sleeper(wakesAt: now + max(duration, .zero), id: id, continuation: continuation)
                let index = sleepers.firstIndex { ($0.wakesAt, $0.id) > (sleeper.wakesAt, sleeper.id) } ?? sleepers.endIndex
                sleepers.insert(sleeper, at: index)
            }
        } onCancel: {
            guard let index = sleepers.firstIndex(where: { $0.id == id }) else { return }
            sleepers.remove(at: index).continuation.resume(throwing: CancellationError())
        }
    }

    private final class Flag: @unchecked Sendable { var value = false }

    package func chance(_ probability: Double) -> Bool { Double.random(in: 0..<1, using: &random) < probability }

    package func pick<Element>(_ elements: [Element]) -> Element { elements[Int.random(in: 0..<elements.count, using: &random)] }

    package func number(_ range: ClosedRange<Double>) -> Double { Double.random(in: range, using: &random) }

    package func number(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &random) }
}
