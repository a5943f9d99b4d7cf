import FoundationEssentials
public import FunctionRuntime
import HummingbirdCore
public import Logging
import NIOCore
import NIOPosix
public import ServiceLifecycle

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Hosts a function over HTTP as Cloud Functions does. Every path but the reserved ones calls a
/// `FunctionHandler` with the event that the request carries, or an `HTTPFunction` with the request
/// itself.
///
/// Production and local runs use this same code. The server listens from the call of ``run()``
/// until its task is canceled or its service group shuts down gracefully. Then it accepts no new
/// connections. Requests still in flight after ``FunctionServerConfiguration/drainTime`` are
/// canceled and answered 503.
///
/// Source: GoogleCloudPlatform/functions-framework, "Functions Framework Contract".
public struct FunctionServer: Service {
    private let responder: FunctionResponder
    private let configuration: Result<FunctionServerConfiguration, FunctionServerConfiguration.Faults>
    private let logger: Logger
    private let onListening: @Sendable (_ port: Int) async -> Void

    /// - Parameters:
    ///   - handler: the function.
    ///   - configuration: the address and limits; nil reads them from the environment.
    ///   - callerCheck: decides who may invoke the function; nil admits every caller who reaches
    ///     the port.
    ///   - logger: the parent of the invocations' loggers; nil makes one that writes for Cloud
    ///     Logging.
    ///   - onListening: called with the port once the server accepts connections.
    public init(
        _ handler: some FunctionHandler,
        configuration: FunctionServerConfiguration? = nil,
        callerCheck: (any CallerCheck)? = nil,
        logger: Logger? = nil,
        onListening: @escaping @Sendable (_ port: Int) async -> Void = { _ in }
    ) {
        self.init(HostedFunction(handler), configuration, callerCheck, logger, onListening)
    }

    /// Hosts a function that takes HTTP requests instead of events.
    ///
    /// - Parameters: see ``init(_:configuration:callerCheck:logger:onListening:)``.
    public init(
        _ function: some HTTPFunction,
        configuration: FunctionServerConfiguration? = nil,
        callerCheck: (any CallerCheck)? = nil,
        logger: Logger? = nil,
        onListening: @escaping @Sendable (_ port: Int) async -> Void = { _ in }
    ) {
        self.init(HostedFunction(function), configuration, callerCheck, logger, onListening)
    }

    private init(
        _ function: HostedFunction,
        _ configuration: FunctionServerConfiguration?,
        _ callerCheck: (any CallerCheck)?,
        _ logger: Logger?,
        _ onListening: @escaping @Sendable (_ port: Int) async -> Void
    ) {
        if let configuration {
            self.configuration = .success(configuration)
        } else {
            self.configuration = Result { () throws(FunctionServerConfiguration.Faults) in
                try FunctionServerConfiguration(environment: ProcessInfo.processInfo.environment)
            }
        }
        let known = (try? self.configuration.get()) ?? FunctionServerConfiguration()
        self.logger =
            logger
            ?? {
                var logger = Logger(label: "function") { CloudLogHandler(label: $0) }
                logger.logLevel = known.logLevel
                return logger
            }()
        responder = FunctionResponder(function, known, callerCheck, self.logger)
        self.onListening = onListening
    }

    /// Hosts a closure as a function.
    ///
    /// - Parameters: see ``init(_:configuration:callerCheck:logger:onListening:)``.
    public init<Event: FunctionEvent>(
        configuration: FunctionServerConfiguration? = nil,
        callerCheck: (any CallerCheck)? = nil,
        logger: Logger? = nil,
        onListening: @escaping @Sendable (_ port: Int) async -> Void = { _ in },
        _ body: @escaping @Sendable (Event, FunctionContext) async throws -> Void
    ) {
        self.init(ClosureHandler(body), configuration: configuration, callerCheck: callerCheck, logger: logger, onListening: onListening)
    }

    /// Serves until SIGTERM or SIGINT, or ends the process with exit status 78 if the environment
    /// is invalid, after logging each fault. It is all that a program's `main` needs.
    ///
    /// After a signal, the requests in flight are answered first. A second signal ends the process
    /// at once.
    ///
    /// - Throws: ``PortTaken``, or the error that ended the server before that.
    public func runService() async throws {
        let signals = await stopSignals()
        if case .failure(let faults) = configuration {
            for fault in faults.descriptions { logger.critical("configuration: \(fault)") }
            exit(78)
        }
        try await runUntilSignalled(self, signals, logger: logger)
    }

    /// Serves, and runs the function's background work until the last event is answered.
    ///
    /// - Throws: ``FunctionServerConfiguration/Faults`` if the environment is invalid, the error of
    ///   the background work, or ``PortTaken`` or another reason why the server cannot listen.
    public func run() async throws {
        let configuration = try configuration.get()
        try await withThrowingTaskGroup(of: Bool.self) { group in
            group.addTask {
                try await responder.function.run()
                return false
            }
            group.addTask {
                try await withGracefulShutdownHandler {
                    try await serve(configuration)
                } onGracefulShutdown: {
                    responder.function.shutdownBegan()
                }
                return true
            }
            defer { group.cancelAll() }
            while try await group.next() == false {}
        }
    }

    /// The number of connections that the process may open, with some files left for the function's
    /// own calls. Without a free file descriptor to accept a connection, a listener spins.
    private static var connectionsByFileLimit: Int {
        var limit = rlimit()
        #if canImport(Glibc)
        let result = getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        #else
        let result = getrlimit(RLIMIT_NOFILE, &limit)
        #endif
        guard result == 0, let files = Int(exactly: limit.rlim_cur) else { return .max }
        return max(files - 192, files / 2)
    }

    private func serve(_ configuration: FunctionServerConfiguration) async throws {
        // Hummingbird's own messages about each connection are useful only for debugging it.
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
        ).run(port: configuration.port)
    }
}
