/// What a ``FunctionHandler`` can be called with.
public protocol FunctionEvent: Sendable {
    /// Reads it from the event that arrived.
    ///
    /// - Throws: an `EnvelopeError` where the event is not of this kind; the runtime answers 400.
    init(_ event: CloudEvent) throws

    /// Which delivery of the event this is, from 1; nil where the event does not tell.
    var deliveryAttempt: Int? { get }
}

extension FunctionEvent {
    public var deliveryAttempt: Int? { nil }
}

extension PubSubMessage: FunctionEvent {}

extension CloudEvent: FunctionEvent {
    public init(_ event: CloudEvent) { self = event }
}
