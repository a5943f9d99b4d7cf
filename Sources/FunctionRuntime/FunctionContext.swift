public import FoundationEssentials
public import Logging

/// What a function knows of the call besides the event itself.
public struct FunctionContext: Sendable {
    /// The event's id; for Pub/Sub the message id.
    public var eventID: String
    /// When the event happened; for Pub/Sub the publish time.
    public var eventTime: Date?
    /// Identifies this one execution in the logs.
    public var executionID: String
    /// Which delivery of the event this is, from 1, where the sender says so.
    public var deliveryAttempt: Int?
    /// Carries the execution and event ids as metadata.
    public var logger: Logger

    private let remaining: @Sendable () -> Duration

    /// How long the function may still take; negative once the deadline has passed.
    public var timeRemaining: Duration { remaining() }

    /// - Parameters:
    ///   - eventID: the event's id; for Pub/Sub the message id.
    ///   - eventTime: when the event happened.
    ///   - executionID: identifies this one execution in the logs.
    ///   - deliveryAttempt: which delivery of the event this is, from 1.
    ///   - logger: carries the execution and event ids as metadata.
    ///   - timeRemaining: tells at any moment how long the function may still take.
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
