public import CloudEvents
public import FoundationEssentials
public import FunctionRuntime
public import HTTPTypes
public import Logging
import NIOCore
import NIOFoundationEssentialsCompat

/// Calls a function as ``FunctionServer`` would, without a socket: for tests of a handler together with its envelope, its caller check, its
/// deadline and the answer that Pub/Sub would see.
public struct InProcessFunction: Sendable {
    private let responder: FunctionResponder

    /// - Parameters:
    ///   - handler: the function.
    ///   - configuration: what the server bears; where it listens does not matter.
    ///   - callerCheck: decides who may invoke the function; nil lets in everybody.
    ///   - logger: the parent of the loggers that invocations get; by default nothing is logged.
    public init(
        _ handler: some FunctionHandler,
        configuration: FunctionServerConfiguration = FunctionServerConfiguration(),
        callerCheck: (any CallerCheck)? = nil,
        logger: Logger = Logger(label: "function", factory: { _ in SwiftLogNoOpLogHandler() })
    ) {
        responder = FunctionResponder(HostedFunction(handler), configuration, callerCheck, logger)
    }

    /// Answers a request as the server would.
    ///
    /// - Returns: the response, with its body; it is empty for a success, and `{"error":{"code":…,"message":…}}` else.
    public func respond(to request: HTTPRequest, body: Data = Data()) async -> (response: HTTPResponse, body: Data) {
        let execution = Execution(request.headerFields, responder.configuration, responder.logger)
        let answer: Answer
        if let refusal = await responder.refusal(of: request) {
            execution.logger().log(refusal)
            answer = refusal
        } else {
            answer = await inTime(execution) { await responder.answer(request, body: { () async throws(Refusal) in body }, execution) }
        }
        return (answer.head, Data(buffer: answer.body))
    }

    /// What a connection does for the server: when the time is over, it cancels the handler and answers in its place.
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
            let answer = first == nil ? Answer(.outOfTime) : outcome.answer
            outcome.logger.log(answer)
            return answer
        }
    }

    /// Delivers a message as Pub/Sub or Eventarc would.
    ///
    /// - Parameters:
    ///   - message: what is delivered.
    ///   - form: what delivers it.
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
