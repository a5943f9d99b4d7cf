import FoundationEssentials
import FunctionRuntime
import HTTPTypes

/// A type-erased function for events of any kind, or for HTTP requests. The server around it is
/// compiled once, without generic lookups for each function's type.
struct HostedFunction: Sendable {
    /// Decodes a request for the function.
    let invocation: @Sendable (HTTPRequest, Data) throws(Undecoded) -> Invocation
    /// Whether requests are events, which are sent with POST.
    let takesEvents: Bool
    /// The function's background work.
    let run: @Sendable () async throws -> Void
    let isAlive: @Sendable () -> Bool
    let shutdownBegan: @Sendable () -> Void

    struct Invocation: Sendable {
        /// Nil for a plain HTTP request.
        var eventID: String?
        var eventTime: Date?
        var deliveryAttempt: Int?
        let run: @Sendable (FunctionContext) async throws -> Answer
    }

    /// A request that the function cannot take.
    struct Undecoded: Error {
        let answer: Answer
        var eventID: String?
        var deliveryAttempt: Int?
    }

    init<Handler: FunctionHandler>(_ handler: Handler) {
        let messageEvent = Handler.Event.self as? any MessageEvent.Type
        self.init(handler, takesEvents: true) { head, body throws(Undecoded) in
            let received: ReceivedEvent
            do throws(EnvelopeError) {
                received = try ReceivedEvent(head, body: body)
            } catch {
                throw Undecoded(answer: Answer(error))
            }
            let event = received.event
            do {
                // Reading the envelope has decoded the message already.
                let message = try received.message.flatMap { try messageEvent?.init($0) as? Handler.Event }
                let input = try message ?? Handler.Event(event)
                return Invocation(eventID: event.id, eventTime: event.time, deliveryAttempt: input.deliveryAttempt) { context in
                    try await handler.handle(input, context: context)
                    return .done
                }
            } catch {
                throw Undecoded(answer: Answer(undecoded: error), eventID: event.id, deliveryAttempt: received.message?.deliveryAttempt)
            }
        }
    }

    init(_ function: some HTTPFunction) {
        self.init(function, takesEvents: false) { head, body throws(Undecoded) in
            Invocation { context in Answer(try await function.respond(to: head, body: body, context: context)) }
        }
    }

    private init(
        _ function: some HostedLifecycle,
        takesEvents: Bool,
        _ invocation: @escaping @Sendable (HTTPRequest, Data) throws(Undecoded) -> Invocation
    ) {
        self.invocation = invocation
        self.takesEvents = takesEvents
        run = { try await function.run() }
        isAlive = { function.isAlive }
        shutdownBegan = { function.shutdownBegan() }
    }
}

extension Answer {
    fileprivate init(_ error: EnvelopeError) {
        self =
            error == .batched
            ? .batched("\(error)") : error.isOfUnsupportedType ? .unsupportedMediaType("\(error)") : .malformed("\(error)")
    }

    /// The answer to an event that the handler's type cannot be made from.
    fileprivate init(undecoded error: any Error) {
        switch error {
        case let error as EnvelopeError: self.init(error)
        case FunctionFailure.unprocessable(let reason): self = .unprocessable(reason)
        default: self = .malformed("the function does not accept this kind of event")
        }
    }

    /// A function's own answer.
    fileprivate init(_ response: FunctionResponse) {
        guard response.status.code >= 200 else {
            self = .failed
            return
        }
        var headers = response.headerFields
        for name in Self.framing { headers[name] = nil }
        self.init(status: response.status, headers: headers, content: response.body)
    }

    private static let framing: [HTTPField.Name] = [.contentLength, .transferEncoding, .connection, .date]
}
