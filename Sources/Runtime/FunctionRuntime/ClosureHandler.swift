/// A function made from a closure, without background work.
public struct ClosureHandler<Event: FunctionEvent>: FunctionHandler {
    private let body: @Sendable (Event, FunctionContext) async throws -> Void

    public init(_ body: @escaping @Sendable (Event, FunctionContext) async throws -> Void) { self.body = body }

    public func handle(_ event: Event, context: FunctionContext) async throws { try await body(event, context) }
}
