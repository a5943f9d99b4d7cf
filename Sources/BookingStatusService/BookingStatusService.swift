import AsyncHTTPClient
package import BookingStatusSync
import FunctionServer
package import Logging
import OutboundHTTP
import PushAuthentication
import ServiceLifecycle
import Spanner
import Zendesk

/// The function as it runs in production: settings in, a server that hosts the handler out. Local work runs the same composition.
package struct BookingStatusService: Service {
    private let settings: ServiceSettings
    private let bookings: (any BookingSource)?
    private let logger: Logger
    private let onListening: @Sendable (_ port: Int) async -> Void

    /// - Parameter bookings: where the sweep reads bookings; nil reads the database of the settings.
    package init(
        settings: ServiceSettings,
        bookings: (any BookingSource)? = nil,
        logger: Logger,
        onListening: @escaping @Sendable (_ port: Int) async -> Void = { _ in }
    ) {
        self.settings = settings
        self.bookings = bookings
        self.logger = logger
        self.onListening = onListening
    }

    package func run() async throws {
        for warning in settings.warnings { logger.warning("\(warning)") }
        try await withHandler { handler, client in
            try await FunctionServer(
                handler,
                configuration: settings.server,
                callerCheck: settings.pushTokens.map { PushTokenCheck($0, client: client) },
                logger: logger,
                onListening: onListening
            ).run()
        }
    }

    /// The handler alone, for what comes by another way than HTTP.
    func withHandler<Result>(_ body: (BookingStatusHandler, HTTPClient) async throws -> Result) async throws -> Result {
        try await HTTPClient.withHTTPClient(configuration: OutboundHTTP.configuration) { client in
            let zendesk = ZendeskClient(
                transport: HTTPClientTransport(client: client, baseURL: settings.zendeskURL),
                credentials: settings.zendeskCredentials,
                readsPerMinute: settings.readsPerMinute,
                writesPerMinute: settings.writesPerMinute
            )
            let database = settings.spanner.map { SpannerDatabase(OutboundHTTP(client), settings: $0, bookings: settings.bookingStatus) }
            let handler = BookingStatusHandler(settings: settings.bookingStatus, zendesk: zendesk, bookings: bookings ?? database)
            return try await body(handler, client)
        }
    }
}
