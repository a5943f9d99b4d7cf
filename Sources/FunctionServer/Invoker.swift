import CloudEvents
import FoundationEssentials
import FunctionRuntime
import HTTPTypes
import Logging

/// Makes an event of a request, calls the handler with it in the time that is left, and an answer of how that ended.
struct Invoker<Handler: FunctionHandler>: Sendable {
    let handler: Handler
    let shutdown: ShutdownSignal

    func answer(_ head: HTTPRequest, _ body: Data, _ execution: Execution) async -> Answer {
        var execution = execution
        let answer: Answer
        do throws(Unreadable) {
            let (event, input) = try read(head, body)
            execution.logger[metadataKey: "message_id"] = "\(event.id)"
            let deliveryAttempt = (input as? PubSubMessage)?.deliveryAttempt
            if let deliveryAttempt { execution.logger[metadataKey: "delivery_attempt"] = "\(deliveryAttempt)" }
            let context = FunctionContext(
                eventID: event.id,
                eventTime: event.time,
                executionID: execution.id,
                deliveryAttempt: deliveryAttempt,
                logger: execution.logger,
                timeRemaining: { [execution] in execution.timeRemaining }
            )
            answer = await invoke(input, context)
        } catch {
            answer = error.answer
        }
        execution.log(answer)
        return answer
    }

    private struct Unreadable: Error { let answer: Answer }

    private func read(_ head: HTTPRequest, _ body: Data) throws(Unreadable) -> (CloudEvent, Handler.Event) {
        do {
            let event = try CloudEvent(head, body: body)
            return (event, try Handler.Event(event))
        } catch EnvelopeError.batched {
            throw Unreadable(answer: .batched("\(EnvelopeError.batched)"))
        } catch let error as EnvelopeError {
            throw Unreadable(answer: .malformed("\(error)"))
        } catch {
            throw Unreadable(answer: .malformed("the event is not of the kind that this function takes"))
        }
    }

    private func invoke(_ event: Handler.Event, _ context: FunctionContext) async -> Answer {
        await withTaskGroup(of: Answer?.self) { group in
            group.addTask {
                do {
                    try await handler.handle(event, context)
                    return .done
                } catch FunctionFailure.tryAgain(let after, let reason) {
                    return .tryAgain(after: after, reason)
                } catch FunctionFailure.unprocessable(let reason) {
                    return .unprocessable(reason)
                } catch {
                    context.logger.error("the function failed", metadata: ["error": "\(error)"])
                    return .failed
                }
            }
            group.addTask {
                try? await Task.sleep(for: context.timeRemaining)
                return nil
            }
            group.addTask {
                await shutdown.wait()
                return .stopping
            }
            let first = await group.next()!
            group.cancelAll()
            return first ?? .outOfTime
        }
    }
}
