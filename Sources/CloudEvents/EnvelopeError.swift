import JSONReader

/// Why a request could not be read as an event.
public enum EnvelopeError: Error, Equatable {
    /// The envelope breaks its form's rules; the text names the attribute and says what is expected of it. It never quotes a value.
    case malformed(String)
    /// Several events in one request (`application/cloudevents-batch+json`): send them one by one.
    case batched
}

extension EnvelopeError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .malformed(let reason): reason
        case .batched: "batched CloudEvents are not supported: send one event a request"
        }
    }
}

extension EnvelopeError {
    /// Reads JSON, whose faults name their place.
    static func naming<Value>(_ read: () throws(JSONFault) -> Value) throws(EnvelopeError) -> Value {
        do {
            return try read()
        } catch {
            throw .malformed(error.reason)
        }
    }
}
