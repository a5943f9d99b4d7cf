public import FunctionRuntime
import Hummingbird
public import Logging
public import ServiceLifecycle

/// Hosts a function over HTTP as Cloud Functions does: every path but the reserved ones goes to the handler, which is called with the event
/// that the request carries.
///
/// Production and local work use this same code. The server listens once ``run()`` is called, and until its task is cancelled or
/// the service group that runs it shuts down gracefully: then it takes no new connection, and what is still in flight after
/// ``FunctionServerConfiguration/drainTime`` is cancelled and answered 503.
///
/// Source: GoogleCloudPlatform/functions-framework, "Functions Framework Contract".
public struct FunctionServer<Handler: FunctionHandler>: Service {
    private let handler: Handler
    private let configuration: FunctionServerConfiguration
    private let logger: Logger
    private let onListening: @Sendable (_ port: Int) async -> Void

    /// - Parameters:
    ///   - handler: the function.
    ///   - configuration: where to listen and what to bear.
    ///   - logger: the parent of the loggers that invocations get.
    ///   - onListening: called with the port once the server accepts connections.
    public init(
        _ handler: Handler,
        configuration: FunctionServerConfiguration = FunctionServerConfiguration(),
        logger: Logger,
        onListening: @escaping @Sendable (_ port: Int) async -> Void = { _ in }
    ) {
        self.handler = handler
        self.configuration = configuration
        self.logger = logger
        self.onListening = onListening
    }

    public func run() async throws {
        // What Hummingbird itself has to say of each connection is of interest to whoever debugs it.
        var serverLogger = logger
        serverLogger.logLevel = max(logger.logLevel, .notice)
        let shutdown = ShutdownSignal()
        let invoker = Invoker(handler: handler, shutdown: shutdown)
        let application = Application(
            responder: FunctionResponder(invoke: invoker.answer, configuration: configuration, logger: logger),
            server: .http1(configuration: .init(idleTimeout: .seconds(120))),
            configuration: .init(address: .hostname(configuration.host, port: configuration.port)),
            onServerRunning: { [onListening] channel in await onListening(channel.localAddress?.port ?? 0) },
            logger: serverLogger
        )
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { [configuration] in
                try await gracefulShutdown()
                try await Task.sleep(for: configuration.drainTime)
                shutdown.fire()
            }
            defer { group.cancelAll() }
            try await application.run()
        }
    }
}
