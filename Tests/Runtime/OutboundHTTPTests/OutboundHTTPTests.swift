import AsyncHTTPClient
import FoundationEssentials
import HTTPTypes
import HummingbirdCore
import NIOCore
import OutboundHTTP
import TestSupport
import Testing
import Support

@Suite("Calls to other services")
struct OutboundHTTPTests {
    @Test("a request arrives unchanged, and its answer arrives whole")
    func roundTrip() async throws {
        try await serving { request in
            let body = String(buffer: try await request.body.collect(upTo: 1 << 20))
            let text = "\(request.method) \(request.head.path ?? "") \(request.headers[.authorization] ?? "") \(body)"
            return Response(status: .conflict, headers: [.retryAfter: "3"], body: .init(byteBuffer: ByteBuffer(string: text)))
        } _: { transport in
            let request = OutboundRequest(.put, "/api/v2/x.json?a=%22b", headers: [("authorization", "Bearer t")], body: Data("hi".utf8))
            let answer = try await transport.send(request, timeout: .seconds(60))
            #expect(answer.status == 409)
            #expect(answer.headers["retry-after"] == "3")
            #expect(String(decoding: answer.body, as: UTF8.self) == "PUT /api/v2/x.json?a=%22b Bearer t hi")
        }
    }

    @Test("a redirect is not followed, so the token does not leak")
    func redirect() async throws {
        try await serving { request in
            #expect(request.uri.path == "/first")
            return Response(status: .found, headers: [.location: "/second"])
        } _: { transport in
            let answer = try await transport.send(OutboundRequest(.get, "/first"), timeout: .seconds(60))
            #expect(answer.status == 302)
        }
    }

    @Test("the timeout covers the whole call: an endless body is given up", .timeLimit(.minutes(2)))
    func drippingBody() async throws {
        try await serving { _ in
            let body = ResponseBody { writer in
                while true {
                    try await writer.write(ByteBuffer(string: " "))
                    try await Task.sleep(for: .milliseconds(20))
                }
            }
            return Response(status: .ok, body: body)
        } _: { transport in
            let begin = ContinuousClock.now
            await #expect(throws: OutboundError.noAnswer("no answer in time")) {
                try await transport.send(OutboundRequest(.get, "/"), timeout: .seconds(1))
            }
            #expect(ContinuousClock.now - begin >= .seconds(1))
        }
    }

    @Test("a call without an answer is given up", .timeLimit(.minutes(2)))
    func silence() async throws {
        try await serving { _ in
            try await Task.sleep(for: .seconds(60))
            return Response(status: .ok)
        } _: { transport in
            await #expect(throws: OutboundError.noAnswer("no answer in time")) {
                try await transport.send(OutboundRequest(.put, "/"), timeout: .seconds(1))
            }
        }
    }

    @Test("if nothing listens, the request counts as not sent")
    func refused() async throws {
        try await HTTPClient.withHTTPClient(configuration: HTTPTransport.configuration) { client in
            let transport = HTTPTransport(client, origin: "http://127.0.0.1:1")
            do throws(OutboundError) {
                _ = try await transport.send(OutboundRequest(.put, "/"), timeout: .seconds(60))
                Issue.record("there was an answer")
            } catch {
                guard case .notSent = error else {
                    Issue.record("\(error)")
                    return
                }
            }
        }
    }

    private func serving(
        _ respond: @escaping @Sendable (Request) async throws -> Response,
        _ body: @escaping @Sendable (HTTPTransport) async throws -> Void
    ) async throws {
        try await withStandIn(respond) { url in
            try await HTTPClient.withHTTPClient(configuration: HTTPTransport.configuration) { client in
                try await body(HTTPTransport(client, origin: "\(url)/"))
            }
        }
    }
}
