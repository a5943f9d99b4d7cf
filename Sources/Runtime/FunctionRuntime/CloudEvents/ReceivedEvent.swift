package import FoundationEssentials
package import HTTPTypes

/// A received event, with its Pub/Sub message if reading the envelope decoded it.
package struct ReceivedEvent: Sendable {
    package var event: CloudEvent
    package var message: PubSubMessage?

    /// Reads the event that a request carries.
    package init(_ request: HTTPRequest, body: Data) throws(EnvelopeError) {
        let headers = request.headerFields
        // Decoded at most once, and not at all if the headers give the form.
        lazy var envelope = JSONEnvelope(body: body)
        if let coding = headers.value(.contentEncoding), coding.lowercased() != "identity", !coding.isEmpty {
            throw .unsupported("the body has a content coding: send it without one")
        }
        let form = WireForm.detect(headers) { envelope.has($0) }
        switch form {
        case .binary: self.init(event: try .binary(headers, body: body))
        case .structured: self.init(event: try .structured(body))
        case .batch: throw .batched
        case .otherFormat: throw .unsupported("CloudEvents are supported as JSON: application/cloudevents+json")
        case .unmarked:
            throw .malformed("a CloudEvent as one JSON object needs the content type application/cloudevents+json")
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
