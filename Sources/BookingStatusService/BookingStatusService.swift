import AsyncHTTPClient
import BookingStatusSync
import FunctionServer
package import Logging
import PushAuthentication
import ServiceLifecycle
import Zendesk

/// The function as it runs in production: settings in, a server that hosts the handler out. Local work runs the same composition.
package struct BookingStatusService: Service {
    private let settings: ServiceSettings
    private let logger: Logger
    private let onListening: @Sendable (_ port: Int) async -> Void

    package init(settings: ServiceSettings, logger: Logger, onListening: @escaping @Sendable (_ port: Int) async -> Void = { _ in }) {
        self.settings = settings
        self.logger = logger
        self.onListening = onListening
    }

    package func run() async throws {
        for warning in settings.warnings { logger.warning("\(warning)") }
        try await HTTPClient.withHTTPClient(configuration: HTTPClientTransport.configuration) { client in
            let zendesk = ZendeskClient(
                transport: HTTPClientTransport(client: client, baseURL: settings.zendeskURL),
                credentials: settings.zendeskCredentials,
                readsPerMinute: settings.readsPerMinute,
                writesPerMinute: settings.writesPerMinute
            )
            let handler = BookingStatusHandler(settings: settings.bookingStatus, zendesk: zendesk)
            try await FunctionServer(
                handler,
                configuration: settings.server,
                callerCheck: settings.pushTokens.map { PushTokenCheck($0, client: client) },
                logger: logger,
                onListening: onListening
            ).run()
        }
    }
}
