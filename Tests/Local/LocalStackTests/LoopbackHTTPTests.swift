import Foundation
import HTTPTypes
import HummingbirdCore
import NIOCore
import NIOHTTP1
import NIOPosix
import Support
import TestSupport
import Testing
import ZendeskSimulator

@testable import LocalStack

@Suite("HTTP client for loopback", .timeLimit(.minutes(2)))
struct LoopbackHTTPTests {
    @Test("a request arrives unchanged, and its answer arrives whole")
    func roundTrip() async throws {
        try await withStandIn { request in
            let body = String(buffer: try await request.body.collect(upTo: 1 << 20))
            let text = "\(request.method) \(request.head.path ?? "") \(request.headers[.authorization] ?? "") \(body)"
            return Response(status: .conflict, headers: [.retryAfter: "3"], body: .init(byteBuffer: ByteBuffer(string: text)))
        } _: { url in
            let request = OutboundRequest(.put, "/x.json?a=%22b", headers: [("authorization", "Bearer t")], body: Data("hi".utf8))
            let answer = try await LoopbackHTTP("\(url)/v1").send(request, timeout: .seconds(60))
            #expect(answer.status == 409)
            #expect(answer.headers["retry-after"] == "3")
            #expect(String(decoding: answer.body, as: UTF8.self) == "PUT /v1/x.json?a=%22b Bearer t hi")
            let byName = LoopbackHTTP("\(url.replacing("127.0.0.1", with: "localhost"))/")
            let plain = try await byName.send(.init(.get, ""), timeout: .seconds(60))
            #expect(String(decoding: plain.body, as: UTF8.self) == "GET /  ")
        }
    }

    @Test("calls one after another share a connection, and calls at once do not wait for each other")
    func connections() async throws {
        try await counting { http, connections in
            for _ in 0..<5 { #expect(try await http.send(.init(.post, "/"), timeout: .seconds(60)).status == 204) }
            #expect(connections.value == 1)
            try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<50 { group.addTask { try await http.send(.init(.post, "/"), timeout: .seconds(60)).status } }
                for try await status in group { #expect(status == 204) }
            }
            #expect((2...51).contains(connections.value))
        }
    }

    @Test("a connection that the server has closed is not used again", arguments: ["/close", "/hang-up"])
    func closed(path: String) async throws {
        try await counting { http, connections in
            #expect(try await http.send(.init(.post, path), timeout: .seconds(60)).status == 204)
            // The end arrives right behind the answer.
            try await Task.sleep(for: .milliseconds(200))
            #expect(try await http.send(.init(.post, "/"), timeout: .seconds(60)).status == 204)
            #expect(connections.value == 2)
        }
    }

    /// A server that counts its connections.
    private func counting(_ body: (LoopbackHTTP, Locked<Int>) async throws -> Void) async throws {
        let connections = Locked(0)
        let server = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .childChannelInitializer { channel in
                connections.withLock { $0 += 1 }
                return channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                    try channel.pipeline.syncOperations.addHandler(SlowAnswer())
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        try await body(LoopbackHTTP("http://127.0.0.1:\(server.localAddress?.port ?? 0)"), connections)
        try await server.close()
    }

    private final class SlowAnswer: ChannelInboundHandler {
        typealias InboundIn = HTTPServerRequestPart
        typealias OutboundOut = HTTPServerResponsePart

        private var path = ""

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            switch unwrapInboundIn(data) {
            case .head(let head): path = head.uri
            case .body: break
            case .end:
                let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
                context.eventLoop.scheduleTask(in: .milliseconds(20)) {
                    let (handler, context) = bound.value
                    var head = HTTPResponseHead(version: .http1_1, status: .noContent)
                    if handler.path == "/close" { head.headers.add(name: "connection", value: "close") }
                    context.write(handler.wrapOutboundOut(.head(head)), promise: nil)
                    context.writeAndFlush(handler.wrapOutboundOut(.end(nil)), promise: nil)
                    // Without having said so.
                    if handler.path == "/hang-up" { context.close(promise: nil) }
                }
            }
        }
    }

    @Test("the timeout covers the whole call, and a cancelled call ends at once")
    func bounded() async throws {
        try await withStandIn { request in
            guard request.uri.path == "/endless" else {
                try await Task.sleep(for: .seconds(60))
                return Response(status: .ok)
            }
            let body = ResponseBody { writer in
                while true {
                    try await writer.write(ByteBuffer(string: " "))
                    try await Task.sleep(for: .milliseconds(20))
                }
            }
            return Response(status: .ok, body: body)
        } _: { url in
            let http = LoopbackHTTP(url)
            for path in ["/endless", "/silent"] {
                await #expect(throws: OutboundError.noAnswer("no answer in time")) {
                    try await http.send(.init(.get, path), timeout: .milliseconds(300))
                }
            }
            let call = Task { try await http.send(.init(.get, "/silent"), timeout: .seconds(60)) }
            call.cancel()
            await #expect(throws: OutboundError.cancelled) { try await call.value }
        }
    }

    @Test("an answer beyond the limit is given up")
    func tooLong() async throws {
        try await withStandIn { _ in
            Response(status: .ok, body: .init(byteBuffer: ByteBuffer(repeating: 32, count: 100_000)))
        } _: { url in
            var request = OutboundRequest(.get, "/")
            request.maximumAnswerBytes = 100_000
            let whole = try await LoopbackHTTP(url).send(request, timeout: .seconds(60))
            #expect(whole.body.count == 100_000)
            request.maximumAnswerBytes = 99_999
            let tooSmall = request
            await #expect(throws: OutboundError.noAnswer("the answer is longer than 99999 bytes")) {
                try await LoopbackHTTP(url).send(tooSmall, timeout: .seconds(60))
            }
        }
    }

    @Test("lines of a streamed answer are passed on whole, however they are split")
    func lines() async throws {
        try await withStandIn { _ in
            let body = ResponseBody { writer in
                for part in ["a", "b\nc", "d\n", "\nlast"] {
                    try await writer.write(ByteBuffer(string: part))
                    try await Task.sleep(for: .milliseconds(20))
                }
                try await writer.finish(nil)
            }
            return Response(status: .ok, body: body)
        } _: { url in
            var lines: [String] = []
            try await RESTClient(url).forEachLine("/", [:]) { lines.append(String(decoding: $0, as: UTF8.self)) }
            #expect(lines == ["ab", "cd", "", "last"])
        }
    }

    @Test(
        "any other address is refused before anything is sent",
        arguments: [
            "http://example.com/", "https://127.0.0.1/", "http://127.0.0.1.example.com", "http://user@127.0.0.1/", "http://10.0.0.1:80",
            "http://[2001:db8::1]/", "127.0.0.1:80", "",
        ]
    )
    func elsewhere(url: String) async {
        #expect(!LoopbackHTTP.takes(url))
        await #expect {
            try await LoopbackHTTP(url).send(.init(.get, "/"), timeout: .seconds(5))
        } throws: { error in
            guard case .notSent(let reason) = error as? OutboundError else { return false }
            return reason.contains("not an http URL of a loopback address")
        }
    }

    @Test("if nobody listens, the request counts as not sent", arguments: ["http://127.0.0.1:1", "http://[::1]:1/", "http://localhost:1"])
    func refused(url: String) async {
        #expect(LoopbackHTTP.takes(url))
        await #expect {
            try await LoopbackHTTP(url).send(.init(.get, "/"), timeout: .seconds(5))
        } throws: { error in
            if case .notSent(let reason) = error as? OutboundError { reason.contains("nobody listens on") } else { false }
        }
    }
}
