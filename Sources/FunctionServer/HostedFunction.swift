import FunctionRuntime

/// A handler of whatever kind of event, behind one type: the server around it is compiled once, and
/// not looked up anew for each handler's type.
struct HostedFunction: Sendable {
    /// Reads an event as the handler takes it.
    let invocation: @Sendable (ReceivedEvent) throws -> Invocation
    /// What the function does beside its events.
    let run: @Sendable () async throws -> Void
    let shutdownBegan: @Sendable () -> Void

    struct Invocation: Sendable {
        let deliveryAttempt: Int?
        let run: @Sendable (FunctionContext) async throws -> Void
    }

    init<Handler: FunctionHandler>(_ handler: Handler) {
        run = { try await handler.run() }
        shutdownBegan = { handler.shutdownBegan() }
        invocation = { received in
            let input = try received.message as? Handler.Event ?? Handler.Event(received.event)
            return Invocation(deliveryAttempt: input.deliveryAttempt) { context in
                try await handler.handle(input, context: context)
            }
        }
    }
}
