import FunctionRuntime
import FoundationEssentials
import HTTPTypes
import Support
import Logging

/// Answers a request: from its head alone if that is enough, else from its body and the handler's
/// outcome.
///
/// The order of the checks is part of the contract: reserved path, liveness probe, method, caller, admission,
/// length, envelope.
struct FunctionResponder: Sendable {
    let function: HostedFunction
    let configuration: FunctionServerConfiguration
    let callerCheck: (any CallerCheck)?
    let admission: ConcurrencyLimit
    let bodies: BodyBudget
    let logger: Logger

    init(_ function: HostedFunction, _ configuration: FunctionServerConfiguration, _ callerCheck: (any CallerCheck)?, _ logger: Logger) {
        self.function = function
        self.configuration = configuration
        self.callerCheck = callerCheck
        self.admission = ConcurrencyLimit(places: configuration.concurrency)
        self.bodies = BodyBudget(limit: configuration.maximumBodyBytesInFlight)
        self.logger = logger
    }

    private static let reservedPaths = ["/robots.txt", "/favicon.ico"]

    /// The answer that the head alone decides; nil if the body is needed.
    func refusal(of head: HTTPRequest) async -> Answer? {
        if let path = head.path, Self.reservedPaths.contains(where: { path == $0 || path.hasPrefix($0 + "?") }) { return .reservedPath }
        if head.method == .get, let path = configuration.livenessPath, head.path == path { return function.isAlive() ? .done : .hanging }
        if function.takesEvents, head.method != .post { return .methodNotAllowed }
        if let callerCheck {
            do throws(CallerRejection) {
                try await callerCheck.check(head)
            } catch {
                return Answer(error)
            }
        }
        if admission.isFull { return .concurrencyLimitReached }
        if let length = head.headerFields.value(.contentLength).flatMap({ Int($0) }), length > configuration.maximumBodyBytes {
            return .bodyTooLarge(configuration.maximumBodyBytes)
        }
        return nil
    }

    /// Decodes the request and invokes the function.
    func answer(_ head: HTTPRequest, body: Data, _ execution: Execution) async -> LoggedAnswer {
        do throws(Answer) {
            return try await invoke(head, body, execution)
        } catch {
            return LoggedAnswer(answer: error, logger: execution.logger())
        }
    }

    /// An answer, and a logger with all metadata of its event.
    struct LoggedAnswer: Sendable {
        let answer: Answer
        let logger: Logger
    }

    private func invoke(_ head: HTTPRequest, _ body: Data, _ execution: Execution) async throws(Answer) -> LoggedAnswer {
        guard admission.enter() else { throw .concurrencyLimitReached }
        defer { admission.leave() }
        let invocation: HostedFunction.Invocation
        do throws(HostedFunction.Undecoded) {
            invocation = try function.invocation(head, body)
        } catch {
            let logger = execution.logger(messageID: error.eventID, deliveryAttempt: error.deliveryAttempt)
            return LoggedAnswer(answer: error.answer, logger: logger)
        }
        let logger = execution.logger(messageID: invocation.eventID, deliveryAttempt: invocation.deliveryAttempt)
        let context = FunctionContext(
            eventID: invocation.eventID ?? execution.id,
            eventTime: invocation.eventTime,
            executionID: execution.id,
            trace: execution.trace,
            logger: logger,
            deadline: execution.deadline
        )
        return LoggedAnswer(answer: await run(invocation, context), logger: logger)
    }

    private func run(_ invocation: HostedFunction.Invocation, _ context: FunctionContext) async -> Answer {
        do {
            return try await invocation.run(context)
        } catch FunctionFailure.tryAgain(let after, let reason) {
            return .tryAgain(after: after, reason)
        } catch FunctionFailure.unprocessable(let reason) {
            return .unprocessable(reason)
        } catch {
            if !Task.isCancelled { context.logger.error("the function failed", metadata: ["error": "\("\(error)".forLog)"]) }
            return .failed
        }
    }
}
