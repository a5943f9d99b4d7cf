/// A serverless function: one method, called once for each delivery of an event.
///
/// Whether the event is done is told by how the method ends:
///
/// | ends by | HTTP answer | what Pub/Sub does |
/// |---|---|---|
/// | returning | 204 | acknowledges the message: it never comes again |
/// | throwing ``FunctionFailure/tryAgain(after:_:)`` | 503, with `Retry-After` | delivers it again by its retry policy |
/// | throwing ``FunctionFailure/unprocessable(_:)`` | 422 | delivers it again, and keeps it in the dead-letter topic in the end |
/// | throwing anything else | 500 | the same |
/// | still running at the deadline | 504; the task is cancelled | the same |
/// | still running when the caller has gone away, or when the instance stops | 503; the task is cancelled | the same |
///
/// ## What a handler owes
///
/// - Deliveries may be repeated, run at once, and come in any order: it is idempotent.
/// - What an event needs is done before it returns: an instance may be stopped, or get no
///   processor, between two invocations. Work that several events share belongs into ``run()``.
/// - Cancellation is cooperative. The caller has its answer at once, but a cancelled handler is not
///   killed: until the method has ended, its place among those in flight stays taken, and the
///   server cannot stop. So it passes cancellation on to what it awaits, and a long computation
///   looks at `Task.isCancelled`. After SIGTERM two seconds are left for that. How it ends then
///   does not matter: the event comes again.
public protocol FunctionHandler<Event>: Sendable {
    /// What the function is called with: a `PubSubMessage`, or a `CloudEvent` of any type.
    associatedtype Event: FunctionEvent

    /// Handles one delivery of an event.
    func handle(_ event: Event, context: FunctionContext) async throws

    /// What the function does beside its events. The host calls it when it starts to take events,
    /// and cancels it when the last one is answered. It may return earlier. If it throws, the host
    /// stops. The default returns at once.
    func run() async throws

    /// The host is about to stop: what is in flight is finished, and nothing that takes long is
    /// begun. The default does nothing.
    func shutdownBegan()
}

extension FunctionHandler {
    public func run() async throws {}
    public func shutdownBegan() {}
}
