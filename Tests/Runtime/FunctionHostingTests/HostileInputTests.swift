import FunctionRuntime
import Foundation
import FunctionHosting
import HTTPTypes
import InMemoryLogging
import Logging
import Testing

@Suite("Hostile and extreme input")
struct HostileInputTests {
    struct Input: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let status: Int
        let body: Data
        var contentType = "application/json"

        init(_ testDescription: String, _ status: Int, _ body: String, _ contentType: String = "application/json") {
            self.init(testDescription, status, Data(body.utf8), contentType)
        }

        init(_ testDescription: String, _ status: Int, _ body: Data, _ contentType: String = "application/json") {
            self.testDescription = testDescription
            self.status = status
            self.body = body
            self.contentType = contentType
        }
    }

    private static let structured = "application/cloudevents+json"

    private static func nested(_ levels: Int, _ open: String, _ close: String) -> String {
        String(repeating: open, count: levels) + "1" + String(repeating: close, count: levels)
    }

    /// Data that is not an envelope counts as unwrapped. The server does not judge it.
    @Test(
        "gets an answer, and the server keeps running",
        arguments: [
            Input(
                "5,000 attributes",
                204,
                "{\"message\":{\"messageId\":\"1\",\"attributes\":{\((0..<5000).map { "\"\($0)\":\"v\"" }.joined(separator: ","))}}}"
            ),
            Input("UTF-8 that is none", 204, Data([0x22, 0xff, 0xfe, 0x22])),
            Input(
                "UTF-8 that is none, as a structured event",
                400,
                Data("{\"specversion\":\"1.0\",\"id\":\"".utf8 + [0xff, 0x22, 0x7d]),
                structured
            ),
            Input("a NUL", 204, Data([0])),
            Input("10,000 arrays deep", 204, nested(10_000, "[", "]")),
            Input("10,000 objects deep", 204, nested(10_000, "{\"message\":", "}")),
            Input("10,000 objects deep, as a structured event", 400, nested(10_000, "{\"data\":", "}"), structured),
            Input(
                "500 arrays deep, as a structured event",
                204,
                "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"s\",\"type\":\"t\",\"data\":\(nested(500, "[", "]"))}",
                structured
            ),
            Input("only opening brackets", 204, String(repeating: "[", count: 1_000_000)),
            Input("an integer out of range", 400, #"{"message":{"messageId":"1"},"deliveryAttempt":99999999999999999999}"#),
            Input("a number out of range", 400, #"{"message":{"messageId":"1"},"deliveryAttempt":1e4000}"#),
            Input("a fraction for an integer", 400, #"{"message":{"messageId":"1"},"deliveryAttempt":1.5}"#),
            Input(
                "a number out of range, as data",
                204,
                "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"s\",\"type\":\"t\",\"data\":1e400}",
                structured
            ),
            Input("the same key twice", 204, #"{"message":{"messageId":"1","messageId":"2"},"message":{"messageId":"3"}}"#),
            Input(
                "the same attribute twice",
                204,
                "{\"specversion\":\"1.0\",\"id\":\"1\",\"id\":\"2\",\"source\":\"s\",\"type\":\"t\"}",
                structured
            ),
        ]
    )
    func answered(input: Input) async throws {
        let function = InProcessFunction(ClosureHandler<CloudEvent> { _, _ in })
        var head = HTTPRequest(method: .post, scheme: nil, authority: nil, path: "/")
        head.headerFields[.contentType] = input.contentType
        let (response, body) = await function.respond(to: head, body: input.body)
        #expect(response.status.code == input.status, "\(String(decoding: body, as: UTF8.self))")
    }

    @Test("a ten-megabyte message arrives whole, in base64 and unwrapped")
    func tenMegabytes() async throws {
        let data = Data((0..<10_000_000).map { UInt8(truncatingIfNeeded: $0) })
        // Under the thread sanitizer it takes longer to send than the default allows.
        let patient = FunctionServerConfiguration(host: "127.0.0.1", port: 0, timeout: .seconds(120), readTimeout: .seconds(120))
        try await serving(patient) { (message: PubSubMessage, _) in
            #expect(message.data == data)
        } _: { server in
            let push = "{\"message\":{\"messageId\":\"1\",\"data\":\"\(data.base64EncodedString())\"}}"
            let answer = try await server.post(push)
            #expect(answer.status == 204)
        }
        let function = InProcessFunction(ClosureHandler<PubSubMessage> { message, _ in #expect(message.data == data) })
        var head = HTTPRequest(method: .post, scheme: nil, authority: nil, path: "/")
        head.headerFields[HTTPField.Name("x-goog-pubsub-message-id")!] = "1"
        #expect(await function.respond(to: head, body: data).response.status == .noContent)
    }

    @Test("no header, payload or token is in the log at any level")
    func logs() async throws {
        let log = InMemoryLogHandler()
        let logger = Logger(label: "test") { _ in
            var handler = log
            handler.logLevel = .trace
            return handler
        }
        let rejecting = InProcessFunction(ClosureHandler<PubSubMessage> { _, _ in }, callerCheck: AskingForAToken(), logger: logger)
        let failing = InProcessFunction(ClosureHandler<PubSubMessage> { _, _ in throw FunctionFailure.tryAgain("busy") }, logger: logger)
        let bodies = [
            #"{"message":{"messageId":"1","data":"c2VjcmV0","attributes":{"secret":"secret"}}}"#, #"{"message":{"messageId":"secret}"#,
            "secret",
            #"{"message":{"data":"secret"}}"#, #"{"context":{"eventId":"secret"}}"#,
        ]
        for function in [rejecting, failing] {
            for body in bodies {
                for type in ["application/json", Self.structured, "secret"] {
                    var head = HTTPRequest(method: .post, scheme: nil, authority: nil, path: "/secret?secret=secret")
                    head.headerFields[.contentType] = type
                    head.headerFields[.authorization] = "Bearer secret"
                    head.headerFields[HTTPField.Name("x-secret")!] = "secret"
                    let (_, answer) = await function.respond(to: head, body: Data(body.utf8))
                    #expect(!String(decoding: answer, as: UTF8.self).contains("secret"))
                }
            }
        }
        #expect(log.entries.count == 2 * bodies.count * 3)
        for entry in log.entries {
            let line = "\(entry.message) \(entry.metadata)"
            #expect(!line.contains("secret") && !line.contains("c2VjcmV0"), "\(line)")
        }
    }
}

private struct AskingForAToken: CallerCheck {
    func check(_ request: HTTPRequest) async throws(CallerRejection) { throw .unauthenticated("there is no token") }
}
