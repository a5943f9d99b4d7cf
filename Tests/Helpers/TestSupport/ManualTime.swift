import Synchronization
package import Support

/// A clock that moves only when a caller pauses, and then at once. Tests of waiting code take no
/// time.
///
/// A sleep longer than ``maximumPause`` is a deadline beside other work, and does not move the
/// clock. It ends when it is cancelled, or when other pauses have reached its time.
package final class ManualTime: Sendable {
    private let state = Mutex(State())
    /// Seconds since 1970 at the start.
    package let start: Double
    private let maximumPause: Duration

    private struct State {
        var elapsed = Duration.zero
        var nextID = 0
        var sleepers: [Int: (wakesAt: Duration, continuation: CheckedContinuation<Void, any Error>)] = [:]
    }

    package init(start: Double = 1_795_464_900, maximumPause: Duration = .seconds(3600)) {
        self.start = start
        self.maximumPause = maximumPause
    }

    package var secondsSince1970: Double { start + state.withLock { $0.elapsed / .seconds(1) } }

    package func advance(_ duration: Duration) {
        let awake = state.withLock { state in
            state.elapsed += duration
            let awake = state.sleepers.filter { $0.value.wakesAt <= state.elapsed }
            for id in awake.keys { state.sleepers[id] = nil }
            return awake.values.map(\.continuation)
        }
        for continuation in awake { continuation.resume() }
    }

    package var source: TimeSource {
        TimeSource(
            now: { self.state.withLock { $0.elapsed } },
            secondsSince1970: { self.secondsSince1970 },
            sleep: { duration in
                try Task.checkCancellation()
                if duration <= self.maximumPause { self.advance(duration) } else { try await self.wait(duration) }
            },
            random: { 0.5 }
        )
    }

    private func wait(_ duration: Duration) async throws {
        let id = state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let isCancelled = state.withLock { state in
                    guard !Task.isCancelled else { return true }
                    state.sleepers[id] = (state.elapsed + duration, continuation)
                    return false
                }
                if isCancelled { continuation.resume(throwing: CancellationError()) }
            }
        } onCancel: {
            state.withLock { $0.sleepers.removeValue(forKey: id)?.continuation }?.resume(throwing: CancellationError())
        }
    }
}
