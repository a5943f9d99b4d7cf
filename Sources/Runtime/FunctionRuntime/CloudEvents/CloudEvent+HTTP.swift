public import FoundationEssentials
public import HTTPTypes

extension CloudEvent {
    /// Reads the event that a request carries, in any form that Google Cloud sends.
    ///
    /// - Parameters:
    ///   - request: the request's head. Its header fields give the form; its path may name the
    ///     topic.
    ///   - body: the request's whole body.
    /// - Throws: ``EnvelopeError``. A request without any envelope does not throw: its body is read
    ///   as unwrapped data.
    public init(_ request: HTTPRequest, body: Data) throws(EnvelopeError) {
        self = try ReceivedEvent(request, body: body).event
    }
}
