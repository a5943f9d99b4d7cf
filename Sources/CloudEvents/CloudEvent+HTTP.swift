public import FoundationEssentials
public import HTTPTypes

extension CloudEvent {
    /// Reads the event that a request carries, in any ``WireForm``.
    ///
    /// - Parameters:
    ///   - request: the request's head: its header fields tell the form, its path may name the topic.
    ///   - body: the request's whole body.
    /// - Throws: ``EnvelopeError``; a request that is no envelope at all is taken for unwrapped data and throws nothing.
    public init(_ request: HTTPRequest, body: Data) throws(EnvelopeError) {
        let headers = request.headerFields
        // Decoded at most once, and not at all where the headers tell the form.
        lazy var envelope = JSONEnvelope(body: body)
        let form = WireForm.detect(headers) { envelope.has($0) }
        switch form {
        case .binary: self = try .binary(headers, body: body)
        case .structured: self = try .structured(body)
        case .batch: throw .batched
        case .push: self = try .push(envelope.push(), body: body, topic: .init(path: request.path))
        case .unwrapped: self = try .unwrapped(headers, body: body, topic: .init(path: request.path))
        case .legacy: self = try .legacy(envelope.legacy())
        }
        if let traceparent = headers.value(.traceparent) {
            extensions["traceparent"] = traceparent
        }
    }
}

extension HTTPField.Name {
    static let traceparent = HTTPField.Name("traceparent")!
}
