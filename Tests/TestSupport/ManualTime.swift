import Synchronization
package import Zendesk

/// A clock that moves only when somebody sleeps, and then at once: tests of what waits take no time.
package final class ManualTime: Sendable {
    private let elapsed = Mutex(Duration.zero)
    /// Seconds since 1970 at the start.
    package let start: Double

    package init(start: Double = 1_795_464_900) { self.start = start }

    package var secondsSince1970: Double { start + elapsed.withLock { $0 / .seconds(1) } }

    package func advance(_ duration: Duration) { elapsed.withLock { $0 += duration } }

    package var source: TimeSource {
        TimeSource(
            now: { self.elapsed.withLock { $0 } },
            secondsSince1970: { self.secondsSince1970 },
            sleep: { duration in
                try Task.checkCancellation()
                self.advance(duration)
            },
            random: { 0.5 }
        )
    }
}
