import FunctionHosting
import FunctionRuntime
import Foundation
import HTTPTypes
import InMemoryLogging
import Logging
import NIOHTTP1
import Testing

@Suite("Functions over HTTP")
struct HTTPFunctionTests {
    /// Answers with what it got.
    private struct Echo: HTTPFunction {
        var answer: @Sendable (HTTPRequest, Data, FunctionContext) async throws -> FunctionResponse

        func respond(to request: HTTPRequest, body: Data, context: FunctionContext) async throws -> FunctionResponse {
            try await answer(request, body, context)
        }
    }

    @Test("a function over HTTP gets every method and path with its body, and gives the whole answer", arguments: [HTTPMethod.GET, .PUT])
    func answers(method: HTTPMethod) async throws {
        let echo = Echo { request, body, context in
            #expect(context.eventID == context.executionID)
            let text = "\(request.method) \(request.path ?? "") \(String(decoding: body, as: UTF8.self))"
            return FunctionResponse(status: .created, headerFields: [.eTag: "1", .connection: "upgrade"], body: Data(text.utf8))
        }
        try await serving(echo) { server in
            let answer = try await server.send(method, "hello", path: "/a?b=c", headers: [:])
            #expect(answer == .init(status: 201, body: "\(method.rawValue) /a?b=c hello"))
            #expect(answer.headers["etag"] == ["1"])
            #expect(answer.headers["connection"].isEmpty)
            #expect(answer.headers["content-length"] == ["\(answer.body.utf8.count)"])
            let reserved = try await server.send(.GET, "", path: "/robots.txt", headers: [:])
            #expect(reserved.status == 404)
            let head = try await server.send(.HEAD, "", path: "/", headers: [:])
            #expect(head == .init(status: 201, body: ""))
        }
    }

    @Test("a status without a body has none, and an informational one is a failure")
    func bodiless() async throws {
        try await serving(
            Echo { request, _, _ in
                FunctionResponse(status: request.method == .get ? .noContent : .init(code: 103), body: Data("x".utf8))
            }
        ) { server in
            let answer = try await server.send(.GET, "", path: "/", headers: [:])
            #expect(answer == .init(status: 204, body: ""))
            #expect(answer.headers["content-length"].isEmpty)
            let informational = try await server.post("")
            #expect(informational.status == 500)
        }
    }

    @Test("the limits, the deadline and the errors are those of a handler")
    func limits() async throws {
        var configuration = FunctionServerConfiguration(host: "127.0.0.1", port: 0, timeout: .seconds(60), maximumBodyBytes: 10)
        let log = InMemoryLogHandler()
        let echo = Echo { _, body, _ in
            switch String(decoding: body, as: UTF8.self) {
            case "busy": throw FunctionFailure.tryAgain(after: .seconds(2), "busy")
            case "never": throw FunctionFailure.unprocessable("never")
            case "slow": try await Task.sleep(for: .seconds(60))
            case "broken": throw CancellationError()
            default: break
            }
            return FunctionResponse(status: .ok)
        }
        try await serving(echo, configuration, log: log) { server in
            for (body, status) in [("", 200), ("busy", 503), ("never", 422), ("broken", 500), ("01234567890", 413)] {
                let answer = try await server.post(body)
                #expect(answer.status == status, "\(body)")
            }
            let busy = try await server.post("busy")
            #expect(busy.headers["retry-after"] == ["2"])
        }
        #expect(log.entries.map(\.metadata["reason"]).contains("busy"))
        configuration.timeout = .milliseconds(200)
        try await serving(echo, configuration) { server in
            let answer = try await server.post("slow")
            #expect(answer.status == 504)
        }
    }

    @Test("a caller check and the liveness path come first")
    func guarded() async throws {
        struct Refusal: CallerCheck {
            func check(_ request: HTTPRequest) async throws(CallerRejection) { throw .forbidden("nobody") }
        }
        let function = InProcessFunction(
            Echo { _, _, _ in FunctionResponse(status: .ok) },
            configuration: FunctionServerConfiguration(livenessPath: "/alive"),
            callerCheck: Refusal()
        )
        func code(_ path: String) async -> Int {
            let request = HTTPRequest(method: .get, scheme: nil, authority: nil, path: path)
            let (response, _) = await function.respond(to: request)
            return response.status.code
        }
        #expect(await code("/alive") == 204)
        #expect(await code("/") == 403)
    }
}
