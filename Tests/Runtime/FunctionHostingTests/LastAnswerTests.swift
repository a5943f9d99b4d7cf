import FunctionRuntime
import HummingbirdCore
import Logging
import NIOCore
import NIOPosix
import Testing

@testable import FunctionHosting

@Suite("The last answer of a connection")
struct LastAnswerTests {
    @Test("a client that is still sending can read it without a reset", .timeLimit(.minutes(5)), arguments: [408, 504])
    func stillSending(status: Int) async throws {
        let isSlow = status == 408
        // The linger is a minute, so that a busy machine does not end it before the test has sent.
        let limits = ConnectionState.Limits(
            start: .seconds(60),
            idle: .seconds(60),
            read: .seconds(isSlow ? 1 : 60),
            handle: .seconds(isSlow ? 60 : 1),
            drain: .seconds(8),
            linger: .seconds(60)
        )
        try await serving(limits) { port in
            try await RawConnection.open(port: port) { connection in
                let body = #"{"message":{"messageId":"1"}}"#
                let length = isSlow ? 1_000_000 : body.utf8.count
                try await connection.send("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: \(length)\r\n\r\n\(body)")
                #expect(try await connection.response()?.status == status)
                for _ in 0..<5 {
                    try await Task.sleep(for: .milliseconds(50))
                    try await connection.send(String(repeating: "x", count: 1000))
                }
            }
        }
    }

    /// Serves a function that never ends by itself.
    private func serving(_ limits: ConnectionState.Limits, _ body: @escaping @Sendable (_ port: Int) async throws -> Void) async throws {
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let handler = ClosureHandler { (_: PubSubMessage, _) in try await Task.sleep(for: .seconds(600)) }
        let responder = FunctionResponder(HostedFunction(handler), FunctionServerConfiguration(), nil, logger)
        let (ports, listens) = AsyncStream.makeStream(of: Int.self)
        let server = Server(
            childChannelSetup: AcceptedConnections(FunctionChannel(responder: responder, limits: limits)),
            configuration: ServerConfiguration(address: .hostname("127.0.0.1", port: 0)),
            onServerRunning: { listens.yield($0.localAddress?.port ?? 0) },
            eventLoopGroup: MultiThreadedEventLoopGroup.singleton,
            logger: logger
        )
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await server.run() }
            var iterator = ports.makeAsyncIterator()
            let port = await iterator.next()!
            try await body(port)
            group.cancelAll()
        }
    }
}
