import HummingbirdCore
import Logging
import NIOCore
import NIOPosix
import FunctionHosting
import Testing

@Suite("Unhandled connections")
struct AcceptedConnectionsTests {
    @Test("a connection that is accepted and dropped is closed, and the process survives")
    func dropped() async throws {
        let connections = AcceptedConnections(HTTP1Channel { _, _, _ in Issue.record("nobody handles it") })
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let server = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .childChannelInitializer { channel in connections.setup(channel: channel, logger: logger).map { _ in } }
            .bind(host: "127.0.0.1", port: 0)
            .get()
        for _ in 0..<20 {
            try await RawConnection.open(port: server.localAddress!.port!) { connection in
                #expect(await connection.rest()?.isEmpty != false)
            }
        }
        try await server.close()
    }
}
