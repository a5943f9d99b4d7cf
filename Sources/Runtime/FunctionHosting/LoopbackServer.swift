import HTTPTypes
package import HummingbirdCore
package import Logging
import NIOCore
import NIOPosix

/// An HTTP/1.1 server on the loopback interface, for local work and tests.
///
/// It uses Hummingbird's connections without its application, which would take long to build.
package struct LoopbackServer: Sendable {
    private let port: Int
    private let logger: Logger
    private let onListening: @Sendable (_ port: Int) async -> Void
    private let respond: @Sendable (Request) async throws -> Response

    /// - Parameters:
    ///   - port: 0 picks a free port.
    ///   - onListening: called with the port once the server accepts connections.
    ///   - respond: an error that it throws is answered 500.
    package init(
        port: Int = 0,
        logger: Logger,
        onListening: @escaping @Sendable (_ port: Int) async -> Void,
        respond: @escaping @Sendable (Request) async throws -> Response
    ) {
        self.port = port
        self.logger = logger
        self.onListening = onListening
        self.respond = respond
    }

    /// - Throws: ``PortTaken``, or another reason why the server cannot listen.
    package func run() async throws {
        let http = HTTP1Channel(responder: { request, writer, _ in
            let response: Response
            do {
                response = try await respond(request)
            } catch {
                logger.warning("a request failed", metadata: ["error": "\(error)"])
                response = Response(status: .internalServerError)
            }
            try await writer.write(response: response.head, body: response.body)
        })
        var serverLogger = logger
        serverLogger.logLevel = max(logger.logLevel, .notice)
        try await Server(
            childChannelSetup: AcceptedConnections(http),
            configuration: ServerConfiguration(address: .hostname("127.0.0.1", port: port)),
            onServerRunning: { channel in await onListening(channel.localAddress?.port ?? 0) },
            eventLoopGroup: MultiThreadedEventLoopGroup.singleton,
            logger: serverLogger
        ).run(port: port)
    }
}
