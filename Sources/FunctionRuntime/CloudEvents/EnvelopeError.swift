import JSONReader

/// Why a request could not be read as an event.
public struct EnvelopeError: Error, Equatable, CustomStringConvertible {
    /// What is wrong: it names the attribute and says what is expected of it. Of what came it
    /// quotes at most an event's type and the names of members.
    public let description: String

    /// The envelope breaks its form's rules, or the event is not of the kind that is wanted.
    ///
    /// - Parameter reason: names what is wrong, and quotes no value: it is logged and sent back.
    public static func malformed(_ reason: String) -> EnvelopeError { EnvelopeError(description: reason) }

    /// Several events in one request (`application/cloudevents-batch+json`): send them one by one.
    public static let batched = EnvelopeError(description: "batched CloudEvents are not supported: send one event a request")
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
