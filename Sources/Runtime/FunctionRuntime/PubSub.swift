public import FoundationEssentials
import Support

/// A Pub/Sub message whose data is the JSON of one type.
///
/// ```swift
/// try await FunctionServer { (order: PubSub<Order>, context) in … }.runService()
/// ```
public struct PubSub<Payload: Decodable & Sendable>: FunctionEvent {
    /// The message, with its data as received.
    public var message: PubSubMessage
    /// The decoded data.
    public var payload: Payload

    public var deliveryAttempt: Int? { message.deliveryAttempt }

    /// Decodes a message's data.
    ///
    /// - Throws: ``FunctionFailure/unprocessable(_:)``, which names the member that is missing or
    ///   wrong.
    public init(_ message: PubSubMessage, decoder: JSONDecoder) throws(FunctionFailure) {
        self.message = message
        do {
            payload = try decoder.decode(Payload.self, from: message.data)
        } catch {
            throw .unprocessable("the message's data is not the JSON of \(Payload.self): \(Self.reason(error))")
        }
    }

    public init(_ message: PubSubMessage) throws(FunctionFailure) { try self.init(message, decoder: JSONDecoder()) }

    public init(_ event: CloudEvent) throws { try self.init(PubSubMessage(event)) }

    /// What is wrong with the data. It quotes names of the type's members, and nothing of the data.
    private static func reason(_ error: any Error) -> String {
        func path(_ context: DecodingError.Context, _ key: (any CodingKey)? = nil) -> String {
            let names = (context.codingPath + [key].compactMap(\.self)).map(name)
            return names.isEmpty ? "it" : names.joined(separator: ".")
        }
        return switch error as? DecodingError {
        case .keyNotFound(let key, let context): "\(path(context, key)) is missing"
        case .valueNotFound(_, let context): "\(path(context)) is null"
        case .typeMismatch(let type, let context): "\(path(context)) is not of the type \(type)"
        case .dataCorrupted(let context): "\(path(context)) is damaged"
        default: "it cannot be decoded"
        }
    }

    /// A member's name, an index, or `*` for a dictionary's key, which is the sender's text.
    private static func name(of key: any CodingKey) -> String {
        // The standard library and Foundation have keys of their own for dictionaries and arrays.
        let type = String(reflecting: type(of: key))
        if type.hasPrefix("Foundation"), let index = key.intValue { return String(index) }
        return type.hasPrefix("Foundation") || type.hasPrefix("Swift.") ? "*" : key.stringValue.cut(to: 64)
    }
}

/// An event that a message alone makes.
package protocol MessageEvent: FunctionEvent {
    init(_ message: PubSubMessage) throws
}

extension PubSub: MessageEvent {}

extension PubSubMessage: MessageEvent {
    package init(_ message: PubSubMessage) { self = message }
}
