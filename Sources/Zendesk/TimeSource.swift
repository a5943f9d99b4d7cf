import FoundationEssentials

/// Time and chance, as far as the client depends on them: what tests and simulations put in the place of the machine's own.
public struct TimeSource: Sendable {
    /// Monotonic time since some fixed moment.
    public var now: @Sendable () -> Duration
    /// Seconds since 1970 by the machine's clock.
    public var secondsSince1970: @Sendable () -> Double
    /// Suspends the task; throws `CancellationError` if it is cancelled.
    public var sleep: @Sendable (Duration) async throws -> Void
    /// A random number from 0 up to 1.
    public var random: @Sendable () -> Double

    public init(
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
    public static let system: TimeSource = {
        let start = ContinuousClock.now
        return TimeSource(
            now: { ContinuousClock.now - start },
            secondsSince1970: { Date().timeIntervalSince1970 },
            sleep: { try await Task.sleep(for: $0) },
            random: { Double.random(in: 0..<1) }
        )
    }()
}

/// A moment by which something has to be done.
public struct Deadline: Sendable {
    private let moment: Duration
    private let time: TimeSource

    public init(after duration: Duration, _ time: TimeSource) {
        moment = time.now() + duration
        self.time = time
    }

    /// How long there is until then; negative once it has passed.
    public var remaining: Duration { moment - time.now() }

    func sleep() async throws { try await time.sleep(max(remaining, .zero)) }
}
