import Support

/// Why a request could not be read as an event.
public struct EnvelopeError: Error, Equatable, CustomStringConvertible {
    /// Names the attribute that is wrong and says what is expected. Quotes nothing from the request
    /// but an event's type and the names of members.
    public let description: String
    /// Whether the media type or the content coding is unsupported.
    package var isOfUnsupportedType = false

    /// The envelope breaks the rules of its form, or the event is not of the expected kind.
    ///
    /// - Parameter reason: names what is wrong. It is logged and sent back, so it must quote no
    ///   value.
    public static func malformed(_ reason: String) -> EnvelopeError { EnvelopeError(description: reason) }

    /// Several events in one request (`application/cloudevents-batch+json`): send them one by one.
    public static let batched = unsupported("batched CloudEvents are not supported: send one event per request")

    /// The body's media type or content coding is not supported.
    static func unsupported(_ reason: String) -> EnvelopeError {
        var error = EnvelopeError(description: reason)
        error.isOfUnsupportedType = true
        return error
    }
}

extension EnvelopeError {
    /// Runs a JSON read and turns its fault, which names the place, into an envelope error.
    static func naming<Value>(_ read: () throws(JSONFault) -> Value) throws(EnvelopeError) -> Value {
        do {
            return try read()
        } catch {
            throw .malformed(error.reason)
        }
    }
}
