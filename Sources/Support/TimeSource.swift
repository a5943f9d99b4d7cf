import FoundationEssentials

/// The clocks and random numbers that the client depends on. Tests and simulations replace them.
package struct TimeSource: Sendable {
    /// Monotonic time since some fixed moment.
    package var now: @Sendable () -> Duration
    /// Seconds since 1970 by the machine's clock.
    package var secondsSince1970: @Sendable () -> Double
    /// Suspends the task; throws `CancellationError` if it is canceled.
    package var sleep: @Sendable (Duration) async throws -> Void
    /// A random number from 0 up to 1.
    package var random: @Sendable () -> Double

    package init(
        now: @escaping @Sendable () -> Duration,
        secondsSince1970: @escaping @Sendable () -> Double,
        sleep: @escaping @Sendable (Duration) async throws -> Void,
        random: @escaping @Sendable () -> Double
    ) {
        self.now = now
        self.secondsSince1970 = secondsSince1970
        self.sleep = sleep
        self.random = random
    }

    /// The machine's clocks and its random numbers.
    package static let system: TimeSource = {
        let start = ContinuousClock.now
        return TimeSource(
            now: { ContinuousClock.now - start },
            secondsSince1970: { Date().timeIntervalSince1970 },
            sleep: { try await Task.sleep(for: $0) },
            random: { Double.random(in: 0..<1) }
        )
    }()
}

extension TimeSource {
    /// Runs the body, and cancels it if it takes too long.
    ///
    /// - Returns: nil if the limit was reached first.
    package func run<Result: Sendable>(
        for limit: Duration,
        _ body: @escaping @Sendable () async throws -> Result
    ) async throws -> Result? {
        try await withThrowingTaskGroup(of: Result?.self) { group in
            group.addTask { try await body() }
            group.addTask {
                try await sleep(limit)
                return nil
            }
            defer { group.cancelAll() }
            return try await group.next()!
        }
    }
}
