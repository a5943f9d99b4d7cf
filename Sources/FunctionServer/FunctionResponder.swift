import FoundationEssentials
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import NIOFoundationEssentialsCompat

/// Answers one HTTP request: looks at its head, reads its body, invokes the function.
struct FunctionResponder: HTTPResponder {
    let invoke: @Sendable (HTTPRequest, Data, Execution) async -> Answer
    let configuration: FunctionServerConfiguration
    let logger: Logger

    func respond(to request: Request, context: FunctionRequestContext) async throws -> Response {
        let execution = Execution(request.headers, configuration, logger)
        do throws(Refusal) {
            return Response(await invoke(request.head, try await body(of: request), execution))
        } catch {
            execution.log(error.answer)
            return Response(error.answer)
        }
    }

    private struct Refusal: Error { let answer: Answer }

    private func body(of request: Request) async throws(Refusal) -> Data {
        if let answer = refusal(of: request) { throw Refusal(answer: answer) }
        do {
            return Data(buffer: try await request.body.collect(upTo: configuration.maximumBodyBytes))
        } catch is NIOTooManyBytesError {
            throw Refusal(answer: .bodyTooLarge(configuration.maximumBodyBytes))
        } catch {
            throw Refusal(answer: .malformed("the request's body ended before it was complete"))
        }
    }

    /// What the head alone decides.
    private func refusal(of request: Request) -> Answer? {
        if ["/robots.txt", "/favicon.ico"].contains(request.uri.path) { return .reservedPath }
        if request.method != .post { return .methodNotAllowed }
        if let length = request.headers[.contentLength].flatMap({ Int($0) }), length > configuration.maximumBodyBytes {
            return .bodyTooLarge(configuration.maximumBodyBytes)
        }
        return nil
    }
}

struct FunctionRequestContext: InitializableFromSource {
    init(source: ApplicationRequestContextSource) {}
}
