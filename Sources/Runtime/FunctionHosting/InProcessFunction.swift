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
/// The function's background work runs while calls are in flight. If it fails, they are answered
/// 500.
public struct InProcessFunction: Sendable {
    private let responder: FunctionResponder
    private let background: BackgroundWork

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
        self.init(HostedFunction(handler), configuration, callerCheck, logger)
    }

    /// Calls a function that takes HTTP requests.
    ///
    /// - Parameters: see ``init(_:configuration:callerCheck:logger:)``.
    public init(
        _ function: some HTTPFunction,
        configuration: FunctionServerConfiguration = FunctionServerConfiguration(),
        callerCheck: (any CallerCheck)? = nil,
        logger: Logger = Logger(label: "function", factory: { _ in SwiftLogNoOpLogHandler() })
    ) {
        self.init(HostedFunction(function), configuration, callerCheck, logger)
    }

    private init(
        _ function: HostedFunction,
        _ configuration: FunctionServerConfiguration,
        _ callerCheck: (any CallerCheck)?,
        _ logger: Logger
    ) {
        responder = FunctionResponder(function, configuration, callerCheck, logger)
        background = BackgroundWork(function.run, logger)
    }

    /// Calls a closure as a function.
    ///
    /// - Parameters: see ``init(_:configuration:callerCheck:logger:)``.
    public init<Event: FunctionEvent>(
        configuration: FunctionServerConfiguration = FunctionServerConfiguration(),
        callerCheck: (any CallerCheck)? = nil,
        logger: Logger = Logger(label: "function", factory: { _ in SwiftLogNoOpLogHandler() }),
        _ body: @escaping @Sendable (Event, FunctionContext) async throws -> Void
    ) {
        self.init(ClosureHandler(body), configuration: configuration, callerCheck: callerCheck, logger: logger)
    }

    /// Answers a request as the server would.
    ///
    /// - Returns: the response and its body: an HTTP function's own, or one that is empty for a
    ///   success and `{"error":{"code":…,"message":…}}` otherwise.
    public func respond(to request: HTTPRequest, body: Data = Data()) async -> (response: HTTPResponse, body: Data) {
        let execution = Execution(request.headerFields, responder.configuration, responder.logger)
        let answer: Answer
        if let refusal = await responder.refusal(of: request) {
            execution.logger().log(refusal)
            answer = refusal
        } else {
            answer = await background.answer {
                await inTime(execution) { await responder.answer(request, body: body, execution) }
            }
        }
        return (answer.head, Data(buffer: answer.body))
    }

    /// Cancels the handler at the deadline and answers instead of it, as a connection does in the
    /// server. The handler's own outcome still gives the logger.
    private func inTime(
        _ execution: Execution,
        _ work: @escaping @Sendable () async -> FunctionResponder.LoggedAnswer
    ) async -> Answer {
        await withTaskGroup(of: FunctionResponder.LoggedAnswer?.self) { group in
            group.addTask { await work() }
            group.addTask {
                try? await Task.sleep(until: execution.deadline, clock: .continuous)
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
        return await respond(to: head, body: event.json())
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
