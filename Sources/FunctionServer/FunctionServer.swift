public import FunctionRuntime
import HummingbirdCore
public import Logging
import NIOCore
import NIOPosix
import ServerConnections
public import ServiceLifecycle

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Hosts a function over HTTP as Cloud Functions does: every path but the reserved ones goes to the handler, which is called with the event
/// that the request carries.
///
/// Production and local work use this same code. The server listens once ``run()`` is called, and until its task is cancelled or
/// the service group that runs it shuts down gracefully: then it takes no new connection, and what is still in flight after
/// ``FunctionServerConfiguration/drainTime`` is cancelled and answered 503.
///
/// Source: GoogleCloudPlatform/functions-framework, "Functions Framework Contract".
public struct FunctionServer: Service {
    private let responder: FunctionResponder
    private let configuration: FunctionServerConfiguration
    private let logger: Logger
    private let onListening: @Sendable (_ port: Int) async -> Void

    /// - Parameters:
    ///   - handler: the function.
    ///   - configuration: where to listen and what to bear.
    ///   - callerCheck: decides who may invoke the function; nil lets in whoever reaches the port.
    ///   - logger: the parent of the loggers that invocations get.
    ///   - onListening: called with the port once the server accepts connections.
    public init(
        _ handler: some FunctionHandler,
        configuration: FunctionServerConfiguration = FunctionServerConfiguration(),
        callerCheck: (any CallerCheck)? = nil,
        logger: Logger,
        onListening: @escaping @Sendable (_ port: Int) async -> Void = { _ in }
    ) {
        responder = FunctionResponder(HostedFunction(handler), configuration, callerCheck, logger)
        self.configuration = configuration
        self.logger = logger
        self.onListening = onListening
    }

    /// Serves, and runs what the function does beside its events until the last of them is answered.
    public func run() async throws {
        try await withThrowingTaskGroup(of: Bool.self) { group in
            group.addTask {
                try await responder.function.run()
                return false
            }
            group.addTask {
                try await withGracefulShutdownHandler {
                    try await serve()
                } onGracefulShutdown: {
                    responder.function.shutdownBegan()
                }
                return true
            }
            defer { group.cancelAll() }
            while try await group.next() == false {}
        }
    }

    /// How many connections the process may open, with some files left for what the function itself calls: a listener that cannot accept
    /// what waits for it spins.
    private static var connectionsByFileLimit: Int {
        var limit = rlimit()
        #if canImport(Darwin)
        let result = getrlimit(RLIMIT_NOFILE, &limit)
        #else
        let result = getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        #endif
        guard result == 0, let files = Int(exactly: limit.rlim_cur) else { return .max }
        return max(files - 192, files / 2)
    }

    private func serve() async throws {
        // What Hummingbird itself has to say of each connection is of interest to whoever debugs it.
        var serverLogger = logger
        serverLogger.logLevel = max(logger.logLevel, .notice)
        let channel = FunctionChannel(
            responder: responder,
            limits: ConnectionState.Limits(
                start: TimeAmount(min(configuration.idleTimeout, configuration.readTimeout)),
                idle: TimeAmount(configuration.idleTimeout),
                read: TimeAmount(min(configuration.readTimeout, configuration.timeout)),
                handle: TimeAmount(configuration.timeout),
                drain: TimeAmount(configuration.drainTime),
                lingerBytes: configuration.maximumBodyBytes
            )
        )
        try await Server(
            childChannelSetup: AcceptedConnections(channel),
            configuration: ServerConfiguration(
                address: .hostname(configuration.host, port: configuration.port),
                backlog: 1024,
                availableConnectionsDelegate: MaximumAvailableConnections(
                    min(configuration.maximumConnections, Self.connectionsByFileLimit),
                    logger: serverLogger
                )
            ),
            onServerRunning: { [onListening] channel in await onListening(channel.localAddress?.port ?? 0) },
            eventLoopGroup: MultiThreadedEventLoopGroup.singleton,
            logger: serverLogger
        ).run()
    }
}
