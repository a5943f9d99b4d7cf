public import CloudEvents

/// What a ``FunctionHandler`` can be called with.
public protocol FunctionEvent: Sendable {
    /// Reads it from the event that arrived.
    ///
    /// - Throws: an `EnvelopeError` where the event is not of this kind; the runtime answers 400.
    init(_ event: CloudEvent) throws
}

extension PubSubMessage: FunctionEvent {}

extension CloudEvent: FunctionEvent {
    public init(_ event: CloudEvent) { self = event }
}
