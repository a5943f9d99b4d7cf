public import FoundationEssentials

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
    public init(_ message: PubSubMessage, decoder: JSONDecoder = JSONDecoder()) throws(FunctionFailure) {
        self.message = message
        do {
            payload = try decoder.decode(Payload.self, from: message.data)
        } catch {
            throw .unprocessable("the message's data is not the JSON of \(Payload.self): \(Self.reason(error))")
        }
    }

    public init(_ event: CloudEvent) throws { try self.init(PubSubMessage(event)) }

    /// What is wrong with the data. It quotes names of the type's members, and no value.
    private static func reason(_ error: any Error) -> String {
        func path(_ context: DecodingError.Context, _ key: (any CodingKey)? = nil) -> String {
            let names = (context.codingPath + [key].compactMap(\.self)).map { $0.intValue.map(String.init) ?? $0.stringValue }
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
}
