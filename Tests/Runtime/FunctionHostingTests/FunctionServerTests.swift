import AsyncHTTPClient
import FunctionRuntime
import FoundationEssentials
import FunctionHosting
import HTTPTypes
import InMemoryLogging
import Logging
import NIOCore
import NIOHTTP1
import ServiceLifecycle
import TestSupport
import Testing

@Suite("The function server, over HTTP")
struct FunctionServerTests {
    private let push = #"{"message":{"messageId":"7","data":"aGk=","attributes":{"a":"b"}},"deliveryAttempt":3}"#

    @Test("a handler gets the event and its context")
    func event() async throws {
        try await serving { (message: PubSubMessage, context) in
            #expect(message.data == Data("hi".utf8))
            #expect(context.eventID == "7")
            #expect(context.executionID == "exec-1")
            #expect(message.deliveryAttempt == 3)
            #expect(context.timeRemaining > .seconds(20) && context.timeRemaining <= .seconds(30))
        } _: { server in
            let answer = try await server.post(push, headers: ["function-execution-id": "exec-1"])
            #expect(answer == .init(status: 204, body: ""))
        }
    }

    @Test("a handler may take a raw CloudEvent of any type")
    func rawEvent() async throws {
        try await serving { (event: CloudEvent, _) in
            #expect(event.type == "com.example.lights")
            #expect(event.data == Data("on".utf8))
        } _: { server in
            let headers = ["ce-specversion": "1.0", "ce-id": "1", "ce-source": "/kitchen", "ce-type": "com.example.lights"]
            let answer = try await server.post("on", headers: headers)
            #expect(answer.status == 204)
        }
    }

    struct Ending: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let error: any Error
        let status: Int
        let code: String
        var retryAfter: String?
    }

    @Test(
        "a handler's result decides the answer",
        arguments: [
            Ending(
                testDescription: "try again",
                error: FunctionFailure.tryAgain(after: .milliseconds(1500), "busy"),
                status: 503,
                code: "try_again",
                retryAfter: "2"
            ),
            Ending(testDescription: "try again some time", error: FunctionFailure.tryAgain("busy"), status: 503, code: "try_again"),
            Ending(testDescription: "never", error: FunctionFailure.unprocessable("nonsense"), status: 422, code: "unprocessable"),
            Ending(testDescription: "anything else", error: Broken(), status: 500, code: "internal"),
        ]
    )
    func endings(ending: Ending) async throws {
        try await serving { (_: PubSubMessage, _) in
            throw ending.error
        } _: { server in
            let answer = try await server.post(push)
            #expect(answer.status == ending.status)
            #expect(answer.body.hasPrefix("{\"error\":{\"code\":\"\(ending.code)\",\"message\":"))
            #expect(answer.headers["retry-after"].first == ending.retryAfter)
            #expect((answer.headers["x-google-status"].first == "error") == (ending.status == 500))
        }
    }

    @Test("a handler that does not end in time is canceled, and the answer is 504")
    func timeout() async throws {
        try await serving(.init(host: "127.0.0.1", port: 0, timeout: .milliseconds(100))) { (_: PubSubMessage, _) in
            try await Task.sleep(for: .seconds(60))
        } _: { server in
            let answer = try await server.post(push)
            #expect(answer.status == 504)
        }
    }

    @Test("a request that is not for the function does not reach it")
    func refusals() async throws {
        try await serving(.init(host: "127.0.0.1", port: 0, maximumBodyBytes: 100)) { (_: PubSubMessage, _) in
            Issue.record("the function was invoked")
        } _: { server in
            #expect(try await server.post(push, path: "/robots.txt").status == 404)
            #expect(try await server.post(push, path: "/favicon.ico?x=1").status == 404)
            let got = try await server.send(.GET, "", path: "/", headers: [:])
            #expect(got.status == 405)
            #expect(got.headers["allow"] == ["POST"])
            #expect(try await server.post(String(repeating: "x", count: 101)).status == 413)
            #expect(try await server.postChunked(String(repeating: "x", count: 101)).status == 413)
            #expect(try await server.post("[]", headers: ["content-type": "application/cloudevents-batch+json"]).status == 415)
            let malformed = try await server.post(#"{"message":{}}"#)
            #expect(malformed.status == 400)
            #expect(malformed.body == #"{"error":{"code":"malformed_envelope","message":"message.messageId is missing"}}"#)
        }
    }

    @Test(
        "a rejected caller is told why before the body is read",
        arguments: [
            (CallerRejection.unauthenticated("who?"), 401, "unauthenticated"), (.forbidden("not you"), 403, "forbidden"),
            (.unavailable(after: .seconds(3), "not now"), 503, "try_again"),
        ]
    )
    func caller(rejection: CallerRejection, status: Int, code: String) async throws {
        try await serving(.init(host: "127.0.0.1", port: 0, maximumBodyBytes: 10), callerCheck: Rejecting(rejection: rejection)) {
            (_: PubSubMessage, _) in
            Issue.record("the function was invoked")
        } _: { server in
            // It comes before 413, and after 404 and 405.
            let answer = try await server.post(push)
            #expect(answer.status == status)
            #expect(answer.body.hasPrefix("{\"error\":{\"code\":\"\(code)\""))
            #expect(answer.headers["www-authenticate"] == (status == 401 ? ["Bearer"] : []))
            #expect(answer.headers["retry-after"] == (status == 503 ? ["3"] : []))
            #expect(try await server.post(push, path: "/robots.txt").status == 404)
            #expect(try await server.send(.GET, "", path: "/", headers: [:]).status == 405)
        }
    }

    @Test("a refusal is logged with its reason, execution ID and message ID, but without the payload")
    func logs() async throws {
        let log = InMemoryLogHandler()
        try await serving(log: log) { (_: PubSubMessage, _) in
            throw FunctionFailure.unprocessable("nonsense")
        } _: { server in
            _ = try await server.post(push, headers: ["function-execution-id": "exec-1", "authorization": "Bearer secret"])
            _ = try await server.post("", headers: ["ce-id": "secret"])
        }
        let entries = log.entries.filter { $0.level >= .notice }
        #expect(entries.map { $0.metadata["reason"] } == ["nonsense", "the CloudEvents attribute specversion is missing"])
        #expect(entries[0].metadata["execution_id"] == "exec-1")
        #expect(entries[0].metadata["message_id"] == "7")
        #expect(entries[0].metadata["delivery_attempt"] == "3")
        #expect(!log.entries.contains { "\($0.message) \($0.metadata)".contains("secret") || "\($0.metadata)".contains("aGk=") })
    }

    @Test("an execution ID that could corrupt the log is not used", arguments: ["", "a b", String(repeating: "x", count: 65)])
    func executionID(id: String) async throws {
        try await serving { (_: PubSubMessage, context) in
            #expect(context.executionID.count == 12)
        } _: { server in
            let answer = try await server.post(push, headers: ["function-execution-id": id])
            #expect(answer.status == 204)
        }
    }

    @Test("the function's background work ends after the last event is answered")
    func beside() async throws {
        let work = Recorder<String>()
        try await serving(
            beside: {
                work.add("begins")
                while !Task.isCancelled { try? await Task.sleep(for: .seconds(60)) }
                work.add("ends")
            },
            handler: { (_: PubSubMessage, _) in
                work.add("handles")
                try? await Task.sleep(for: .milliseconds(300))
                work.add("handled")
            }
        ) { server in
            async let answer = server.post(#"{"message":{"messageId":"1"}}"#)
            try await eventually("the event is handled") { work.all.contains("handles") }
            await server.stop()
            #expect(try await answer.status == 204)
        }
        #expect(work.all == ["begins", "handles", "handled", "ends"])
    }

    @Test("a function whose background work fails ends the server")
    func failsBeside() async throws {
        await #expect(throws: FunctionFailure.self) {
            try await serving(
                beside: { throw FunctionFailure.unprocessable("nothing works") },
                handler: { (_: PubSubMessage, _) in }
            ) { _ in try await Task.sleep(for: .milliseconds(200)) }
        }
    }
}

private struct Broken: Error {}

private struct Rejecting: CallerCheck {
    let rejection: CallerRejection

    func check(_ request: HTTPRequest) async throws(CallerRejection) { throw rejection }
}
