import FoundationEssentials

/// What a request's body turns out to be where no header tells its form.
struct JSONEnvelope {
    /// Nil for a body that is no JSON object.
    private let body: JSONObject?

    init(body: Data) {
        self.body = JSONElement(body).flatMap { try? JSONObject($0) }
    }

    /// Empty for a body that is no JSON object.
    var marks: Set<WireForm.Mark> { Set((body?.names).map { $0.compactMap { WireForm.Mark(rawValue: $0) } } ?? []) }

    func push() throws(EnvelopeError) -> PushBody { try PushBody(object()) }

    func legacy() throws(EnvelopeError) -> LegacyEvent { try LegacyEvent(object()) }

    private func object() throws(EnvelopeError) -> JSONObject {
        guard let body else { throw .malformed("the request's body is not a JSON object") }
        return body
    }
}
