/// An event that a ``FunctionHandler`` can take.
public protocol FunctionEvent: Sendable {
    /// Decodes the received event.
    ///
    /// - Throws: ``EnvelopeError`` if the event is not of this kind; the runtime answers 400.
    ///   ``FunctionFailure/unprocessable(_:)`` if its content cannot be decoded; 422.
    init(_ event: CloudEvent) throws

    /// The number of this delivery, from 1; nil if the event does not give it.
    var deliveryAttempt: Int? { get }
}

extension FunctionEvent {
    public var deliveryAttempt: Int? { nil }
}

extension PubSubMessage: FunctionEvent {}

extension CloudEvent: FunctionEvent {
    public init(_ event: CloudEvent) { self = event }
}
