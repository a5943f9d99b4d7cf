import FunctionRuntime

/// A type-erased handler for any kind of event. The server around it is compiled once, without
/// generic lookups for each handler's type.
struct HostedFunction: Sendable {
    /// Decodes an event for the handler.
    let invocation: @Sendable (ReceivedEvent) throws -> Invocation
    /// The function's background work.
    let run: @Sendable () async throws -> Void
    let isAlive: @Sendable () -> Bool
    let shutdownBegan: @Sendable () -> Void

    struct Invocation: Sendable {
        let deliveryAttempt: Int?
        let run: @Sendable (FunctionContext) async throws -> Void
    }

    init<Handler: FunctionHandler>(_ handler: Handler) {
        run = { try await handler.run() }
        isAlive = { handler.isAlive }
        shutdownBegan = { handler.shutdownBegan() }
        let messageEvent = Handler.Event.self as? any MessageEvent.Type
        invocation = { received in
            // Reading the envelope has decoded the message already.
            let message = try received.message.flatMap { try messageEvent?.init($0) as? Handler.Event }
            let input = try message ?? Handler.Event(received.event)
            return Invocation(deliveryAttempt: input.deliveryAttempt) { context in
                try await handler.handle(input, context: context)
            }
        }
    }
}
