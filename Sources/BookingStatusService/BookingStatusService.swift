import AsyncHTTPClient
package import BookingStatusSync
import FunctionRuntime
import FunctionServer
package import Logging
import OutboundHTTP
import ServiceLifecycle
import Zendesk

/// The function as it runs in production: builds the handler and its server from the settings.
/// Local runs use the same composition.
package struct BookingStatusService: Service {
    private let settings: ServiceSettings
    private let bookings: (any BookingSource)?
    private let verifier: PushTokens.Verifier?
    private let logger: Logger
    private let onListening: @Sendable (_ port: Int) async -> Void

    /// - Parameters:
    ///   - bookings: where the sweep reads bookings; nil reads the database of the settings.
    ///   - verifier: makes the caller check if the settings ask for push tokens.
    package init(
        settings: ServiceSettings,
        bookings: (any BookingSource)? = nil,
        verifier: PushTokens.Verifier? = nil,
        logger: Logger,
        onListening: @escaping @Sendable (_ port: Int) async -> Void = { _ in }
    ) {
        self.settings = settings
        self.bookings = bookings
        self.verifier = verifier
        self.logger = logger
        self.onListening = onListening
    }

    package func run() async throws {
        for warning in settings.warnings { logger.warning("\(warning)") }
        try await withHandler { handler, client in
            try await FunctionServer(
                handler,
                configuration: settings.server,
                callerCheck: callerCheck(client),
                logger: logger,
                onListening: onListening
            ).run()
        }
    }

    private func callerCheck(_ client: HTTPClient) -> (any CallerCheck)? {
        guard let tokens = settings.pushTokens else { return nil }
        guard let verifier else { preconditionFailure("push tokens are asked for, and nothing here verifies them") }
        return verifier(tokens, client)
    }

    /// Runs the body with the handler alone, for work that does not arrive over HTTP.
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
