public import FoundationEssentials
public import HTTPTypes

extension CloudEvent {
    /// Reads the event that a request carries, in any form in which Google Cloud sends one.
    ///
    /// - Parameters:
    ///   - request: the request's head: its header fields tell the form, its path may name the
    ///     topic.
    ///   - body: the request's whole body.
    /// - Throws: ``EnvelopeError``; a request that is no envelope at all is taken for unwrapped
    ///   data and throws nothing.
    public init(_ request: HTTPRequest, body: Data) throws(EnvelopeError) {
        self = try ReceivedEvent(request, body: body).event
    }
}

/// An event as it was received, with the message that the reader of its envelope had to decode
/// anyway.
package struct ReceivedEvent: Sendable {
    package var event: CloudEvent
    package var message: PubSubMessage?

    /// Reads the event that a request carries.
    package init(_ request: HTTPRequest, body: Data) throws(EnvelopeError) {
        let headers = request.headerFields
        // Decoded at most once, and not at all where the headers tell the form.
        lazy var envelope = JSONEnvelope(body: body)
        let form = WireForm.detect(headers) { envelope.has($0) }
        switch form {
        case .binary: self.init(event: try .binary(headers, body: body))
        case .structured: self.init(event: try .structured(body))
        case .batch: throw .batched
        case .push: self = try .push(envelope.push(), body: body, topic: .init(path: request.path))
        case .unwrapped: self = try .unwrapped(headers, body: body, topic: .init(path: request.path))
        case .legacy: self = try .legacy(envelope.legacy())
        }
        if let traceparent = headers.value(.traceparent) {
            event.extensions["traceparent"] = traceparent
        }
    }

    init(event: CloudEvent, message: PubSubMessage? = nil) {
        self.event = event
        self.message = message
    }
}

extension HTTPField.Name {
    static let traceparent = HTTPField.Name("traceparent")!
}
