import Foundation
import HTTPTypes
import HummingbirdCore
import NIOCore
import NIOPosix
import TestSupport
import Testing

@testable import LocalStack

@Suite("The tap before the function", .timeLimit(.minutes(2)))
struct PushTapTests {
    private func push(to port: Int, patience: Duration) async throws -> Response {
        var tap = PushTap(function: LoopbackHTTP("http://127.0.0.1:\(port)"), journal: Journal())
        tap.patience = patience
        let head = HTTPRequest(method: .post, scheme: "http", authority: "127.0.0.1", path: "/push/")
        return try await tap.forward(Request(head: head, body: .init(buffer: ByteBuffer(string: "{}"))), path: "/")
    }

    private func freePort() async throws -> Int {
        let channel = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup).bind(host: "127.0.0.1", port: 0).get()
        let port = try #require(channel.localAddress?.port)
        try await channel.close().get()
        return port
    }

    @Test("a push waits for a function that is about to listen")
    func late() async throws {
        let port = try await freePort()
        let answer = Task { try await push(to: port, patience: .seconds(60)).status }
        try await Task.sleep(for: .milliseconds(300))
        try await withStandIn(port: port) { _ in
            Response(status: .accepted)
        } _: { _ in
            let status = try await answer.value
            #expect(status == .accepted)
        }
    }

    @Test("a push to a function that does not listen ends with 502")
    func never() async throws {
        // Nothing listens there, and no other test's server can be given it.
        #expect(try await push(to: 1, patience: .milliseconds(300)).status == .badGateway)
    }
}
