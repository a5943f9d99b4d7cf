package import BookingStatusSync
package import FunctionRuntime
import FunctionHosting
package import Logging
import ServiceLifecycle
package import Support
import Zendesk

/// Builds the production handler and its server from the settings. Local runs use the same
/// composition, with another transport.
package struct SyncService: Service {
    /// Makes the transport to an origin, such as `https://example.zendesk.com`.
    package typealias Connect = @Sendable (_ origin: String) -> any OutboundTransport
    /// Makes the check of push tokens. Only the deployed executable links the verifier, because its
    /// cryptography library takes minutes to build.
    package typealias Verifier = @Sendable (PushTokenSettings) -> any CallerCheck

    private let settings: ServiceSettings
    private let connect: Connect
    private let bookings: (any BookingSource)?
    private let verifier: Verifier?
    private let logger: Logger
    private let onListening: @Sendable (_ port: Int) async -> Void

    /// - Parameters:
    ///   - connect: makes the transports to Zendesk and to the database.
    ///   - bookings: where the sweep reads bookings; nil reads the database of the settings.
    ///   - verifier: makes the caller check if the settings ask for push tokens.
    package init(
        settings: ServiceSettings,
        connect: @escaping Connect,
        bookings: (any BookingSource)? = nil,
        verifier: Verifier? = nil,
        logger: Logger,
        onListening: @escaping @Sendable (_ port: Int) async -> Void = { _ in }
    ) {
        self.settings = settings
        self.connect = connect
        self.bookings = bookings
        self.verifier = verifier
        self.logger = logger
        self.onListening = onListening
    }

    package func run() async throws {
        for warning in settings.warnings { logger.warning("\(warning)") }
        try await FunctionServer(
            makeHandler(),
            configuration: settings.server,
            callerCheck: callerCheck,
            logger: logger,
            onListening: onListening
        ).run()
    }

    private var callerCheck: (any CallerCheck)? {
        guard let tokens = settings.pushTokens else { return nil }
        guard let verifier else { preconditionFailure("push tokens are asked for, and nothing here verifies them") }
        return verifier(tokens)
    }

    func makeHandler() -> BookingStatusHandler {
        let zendesk = ZendeskClient(
            transport: connect(settings.zendeskURL),
            credentials: settings.zendeskCredentials,
            readsPerMinute: settings.readsPerMinute,
            writesPerMinute: settings.writesPerMinute
        )
        let database = settings.spanner.map { SpannerDatabase($0, bookings: settings.bookingStatus, connect: connect) }
        return BookingStatusHandler(
            settings: settings.bookingStatus,
            zendesk: zendesk,
            bookings: bookings ?? database,
            logger: logger
        )
    }
}
