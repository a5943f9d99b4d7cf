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
    /// The number of this delivery, from 1; nil if the sender does not give it.
    public var deliveryAttempt: Int?
    /// Carries the execution and event ids as metadata.
    public var logger: Logger

    private let remaining: @Sendable () -> Duration

    /// The time left until the deadline; negative after it.
    public var timeRemaining: Duration { remaining() }

    /// - Parameters:
    ///   - eventID: the event's id; for Pub/Sub the message id.
    ///   - eventTime: when the event happened.
    ///   - executionID: identifies this one execution in the logs.
    ///   - deliveryAttempt: the number of this delivery, from 1.
    ///   - logger: carries the execution and event ids as metadata.
    ///   - timeRemaining: returns the time left until the deadline.
    public init(
        eventID: String,
        eventTime: Date? = nil,
        executionID: String,
        deliveryAttempt: Int? = nil,
        logger: Logger,
        timeRemaining: @escaping @Sendable () -> Duration
    ) {
        self.eventID = eventID
        self.eventTime = eventTime
        self.executionID = executionID
        self.deliveryAttempt = deliveryAttempt
        self.logger = logger
        self.remaining = timeRemaining
    }
}
