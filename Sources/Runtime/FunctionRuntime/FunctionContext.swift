public import FoundationEssentials
public import Logging

/// The context of one invocation: its ids, logger and remaining time.
public struct FunctionContext: Sendable {
    /// The event's id; for Pub/Sub the message id.
    public var eventID: String
    /// When the event happened; for Pub/Sub the publish time.
    public var eventTime: Date?
    /// Identifies this one execution in the logs.
    public var executionID: String
    /// The trace that the request belongs to, if it names one.
    public var trace: TraceContext?
    /// Carries the execution and event ids as metadata.
    public var logger: Logger
    /// When the invocation times out.
    public let deadline: ContinuousClock.Instant

    private let remaining: (@Sendable () -> Duration)?

    /// The time left until the deadline; negative after it.
    public var timeRemaining: Duration { remaining?() ?? deadline - .now }

    /// - Parameters:
    ///   - eventID: the event's id; for Pub/Sub the message id.
    ///   - eventTime: when the event happened.
    ///   - executionID: identifies this one execution in the logs.
    ///   - trace: the trace that the request belongs to.
    ///   - logger: carries the execution and event ids as metadata.
    ///   - deadline: when the invocation times out.
    public init(
        eventID: String,
        eventTime: Date? = nil,
        executionID: String,
        trace: TraceContext? = nil,
        logger: Logger,
        deadline: ContinuousClock.Instant
    ) {
        self.eventID = eventID
        self.eventTime = eventTime
        self.executionID = executionID
        self.trace = trace
        self.logger = logger
        self.deadline = deadline
        remaining = nil
    }

    /// A context whose time is simulated.
    package init(eventID: String, executionID: String, logger: Logger, timeRemaining: @escaping @Sendable () -> Duration) {
        self.eventID = eventID
        self.executionID = executionID
        self.logger = logger
        deadline = .now + timeRemaining()
        remaining = timeRemaining
    }
}
