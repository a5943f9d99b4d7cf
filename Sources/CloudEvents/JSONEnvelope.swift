import FoundationEssentials

/// What a request's body turns out to be where no header tells its form.
struct JSONEnvelope {
    /// Nil for a body that is no JSON object.
    private let body: JSONObject?

    init(body: Data) { self.body = try? JSONElement(body)?.object() }

    func has(_ mark: WireForm.Mark) -> Bool {
        switch mark {
        case .message: body?.element("message") != nil
        case .context: body?.element("context") != nil
        case .eventId: body?.element("eventId") != nil
        }
    }

    func push() throws(EnvelopeError) -> PushBody { try PushBody(object()) }

    func legacy() throws(EnvelopeError) -> LegacyEvent { try LegacyEvent(object()) }

    private func object() throws(EnvelopeError) -> JSONObject {
        guard let body else { throw .malformed("the request's body is not a JSON object") }
        return body
    }
}
