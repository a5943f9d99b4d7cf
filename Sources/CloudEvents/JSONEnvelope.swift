import FoundationEssentials

/// What a request's body turns out to be where no header tells its form.
struct JSONEnvelope {
    /// Empty for a body that is no JSON object.
    var marks: Set<WireForm.Mark> = []
    var push: Result<PushBody, EnvelopeError> = .failure(.malformed("message is missing"))
    var legacy: Result<LegacyEvent, EnvelopeError> = .failure(.malformed("context is missing"))
}

extension JSONEnvelope {
    init(body: Data) {
        self = (try? JSONDecoder().decode(JSONEnvelope.self, from: body)) ?? JSONEnvelope()
    }
}

extension JSONEnvelope: Decodable {
    init(from decoder: any Decoder) throws {
        marks = Set(try decoder.container(keyedBy: WireForm.Mark.self).allKeys)
        if marks.contains(.message) {
            push = Self.result { try PushBody(from: decoder) }
        } else if !marks.isEmpty {
            legacy = Self.result { try LegacyEvent(from: decoder) }
        }
    }

    private static func result<Envelope>(_ decode: () throws -> Envelope) -> Result<Envelope, EnvelopeError> {
        Result(catching: decode).mapError { EnvelopeError(decoding: $0, of: "the request's body") }
    }
}
