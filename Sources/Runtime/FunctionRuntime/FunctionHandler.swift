/// A serverless function: one method, called once for each delivery of an event.
///
/// The method's result decides whether the event is done:
///
/// | method ends by | HTTP answer | what Pub/Sub does |
/// |---|---|---|
/// | returning | 204 | acknowledges the message and never delivers it again |
/// | throwing ``FunctionFailure/tryAgain(after:_:)`` | 503, with `Retry-After` | redelivers it by its retry policy |
/// | throwing ``FunctionFailure/unprocessable(_:)`` | 422 | redelivers it, and moves it to the dead-letter topic in the end |
/// | throwing anything else | 500 | the same |
/// | still running at the deadline | 504; the task is canceled | the same |
/// | still running when the caller disconnects or the instance stops | 503; the task is canceled | the same |
///
/// ## Requirements
///
/// - Be idempotent. Deliveries may be repeated, concurrent and out of order.
/// - Finish the event's work before returning. Between two invocations the instance may be stopped
///   or get no CPU. Work that several events share belongs in
///   ``HostedLifecycle/run()``.
/// - Cooperate with cancellation. The caller gets its answer at once, but a canceled handler is not
///   killed. Until the method ends, it counts against the concurrency limit and the server cannot
///   stop. Pass cancellation on to what you await, and check `Task.isCancelled` in long
///   computations. After SIGTERM, two seconds are left for that. The result of a canceled handler
///   is ignored: the event is delivered again.
public protocol FunctionHandler<Event>: HostedLifecycle {
    /// The events that the function takes: ``PubSub`` with the
    /// payload's type, ``PubSubMessage`` for its bytes, or ``CloudEvent`` for any event.
    associatedtype Event: FunctionEvent

    /// Handles one delivery of an event.
    func handle(_ event: Event, context: FunctionContext) async throws
}
