public import FunctionRuntime
public import FoundationEssentials
public import HTTPTypes
public import Logging
import NIOCore
import NIOFoundationEssentialsCompat
import Support
import Synchronization

/// Calls a function as ``FunctionServer`` would, without a socket. Use it to test a handler
/// together with its envelope, caller check, deadline and the answer that Pub/Sub would see.
///
/// The function's background work runs while calls are in flight.
public struct InProcessFunction: Sendable {
    private let responder: FunctionResponder
    private let calls = CallsInFlight()

    /// - Parameters:
    ///   - handler: the function.
    ///   - configuration: the server's limits; the address is ignored.
    ///   - callerCheck: decides who may invoke the function; nil admits everybody.
    ///   - logger: the parent of the invocations' loggers; by default nothing is logged.
    public init(
        _ handler: some FunctionHandler,
        configuration: FunctionServerConfiguration = FunctionServerConfiguration(),
        callerCheck: (any CallerCheck)? = nil,
        logger: Logger = Logger(label: "function", factory: { _ in SwiftLogNoOpLogHandler() })
    ) {
        responder = FunctionResponder(HostedFunction(handler), configuration, callerCheck, logger)
    }

    /// Calls a closure as a function.
    public init<Event: FunctionEvent>(
        configuration: FunctionServerConfiguration = FunctionServerConfiguration(),
        callerCheck: (any CallerCheck)? = nil,
        _ body: @escaping @Sendable (Event, FunctionContext) async throws -> Void
    ) {
        self.init(ClosureHandler(body), configuration: configuration, callerCheck: callerCheck)
    }

    /// Answers a request as the server would.
    ///
    /// - Returns: the response and its body, which is empty for a success and
    ///   `{"error":{"code":…,"message":…}}` otherwise.
    public func respond(to request: HTTPRequest, body: Data = Data()) async -> (response: HTTPResponse, body: Data) {
        let execution = Execution(request.headerFields, responder.configuration, responder.logger)
        let answer: Answer
        if let refusal = await responder.refusal(of: request) {
            execution.logger().log(refusal)
            answer = refusal
        } else {
            answer = await calls.answer(running: responder.function.run) {
                await inTime(execution) { await responder.answer(request, body: body, execution) }
            }
        }
        return (answer.head, Data(buffer: answer.body))
    }

    /// Cancels the handler at the deadline and answers instead of it, as a connection does in the
    /// server.
    private func inTime(
        _ execution: Execution,
        _ work: @escaping @Sendable () async -> FunctionResponder.Outcome
    ) async -> Answer {
        await withTaskGroup(of: FunctionResponder.Outcome?.self) { group in
            group.addTask { await work() }
            group.addTask {
                try? await Task.sleep(for: execution.timeRemaining)
                return nil
            }
            let first = await group.next()!
            group.cancelAll()
            let second = await group.next()!
            guard let outcome = first ?? second else { preconditionFailure("one of the two is the handler's outcome") }
            let answer = first == nil ? .outOfTime : outcome.answer
            outcome.logger.log(answer)
            return answer
        }
    }

    /// Delivers an event of any kind, as a CloudEvent in structured mode.
    public func deliver(_ event: CloudEvent) async -> (response: HTTPResponse, body: Data) {
        var head = HTTPRequest(method: .post, scheme: nil, authority: nil, path: "/")
        head.headerFields[.contentType] = "application/cloudevents+json"
        return await respond(to: head, body: event.json)
    }

    /// Delivers a message as Pub/Sub or Eventarc would.
    ///
    /// - Parameters:
    ///   - message: the message to deliver.
    ///   - form: how it is delivered.
    ///   - topic: `projects/P/topics/T`; only a CloudEvent names it.
    public func deliver(
        _ message: PubSubMessage,
        as form: PubSubMessage.DeliveryForm = .push,
        topic: String? = nil
    ) async -> (response: HTTPResponse, body: Data) {
        let (head, body) = message.request(as: form, topic: topic)
        return await respond(to: head, body: body)
    }
}

/// Runs a function's background work from the first call in flight to the last.
private final class CallsInFlight: Sendable {
    private let state = Mutex(State())
    /// Taken while the background work runs, which may end a moment after its last call.
    private let work = AsyncSemaphore()

    private struct State {
        var count = 0
        /// A call runs the background work, and waits for the others.
        var isRunning = false
        var running: CheckedContinuation<Void, Never>?
    }

    /// Makes a call. The first call runs the background work for those that arrive while it is in
    /// flight, and waits for them.
    func answer(running run: @escaping @Sendable () async throws -> Void, _ call: () async -> Answer) async -> Answer {
        let isFirst = state.withLock { state in
            state.count += 1
            defer { state.isRunning = true }
            return !state.isRunning
        }
        guard isFirst else {
            defer { end() }
            return await call()
        }
        let isAlone = await work.enter(before: Deadline(after: .seconds(3600), .system))
        defer { if isAlone { work.leave() } }
        return await withTaskGroup(of: Void.self) { group in
            group.addTask { try? await run() }
            let answer = await call()
            end()
            await lastHasEnded()
            group.cancelAll()
            return answer
        }
    }

    private func end() {
        let running: CheckedContinuation<Void, Never>? = state.withLock { state in
            state.count -= 1
            guard state.count == 0, let running = state.running else { return nil }
            state.running = nil
            state.isRunning = false
            return running
        }
        running?.resume()
    }

    private func lastHasEnded() async {
        await withCheckedContinuation { continuation in
            let isOver = state.withLock { state in
                if state.count > 0 { state.running = continuation } else { state.isRunning = false }
                return state.count == 0
            }
            if isOver { continuation.resume() }
        }
    }
}
