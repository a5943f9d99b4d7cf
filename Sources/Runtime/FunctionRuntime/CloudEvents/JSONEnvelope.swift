import FoundationEssentials
import Support

/// A request's JSON body, which gives the form if no header does.
struct JSONEnvelope {
    /// Nil if the body is not a JSON object.
    private let body: JSONObject?

    init(body: Data) { self.body = try? JSONElement(body)?.object() }

    func has(_ mark: WireForm.Mark) -> Bool {
        switch mark {
        case .message: body?.element("message") != nil
        case .context: body?.element("context") != nil
        case .eventId: body?.element("eventId") != nil
        case .specversion: body?.element("specversion") != nil
        }
    }

    func push() throws(EnvelopeError) -> PushBody {
        let body = try object()
        return try EnvelopeError.naming { () throws(JSONFault) in try PushBody(body) }
    }

    func legacy() throws(EnvelopeError) -> LegacyEvent {
        let body = try object()
        return try EnvelopeError.naming { () throws(JSONFault) in try LegacyEvent(body) }
    }

    private func object() throws(EnvelopeError) -> JSONObject {
        guard let body else { throw .malformed("the request's body is not a JSON object") }
        return body
    }
}
