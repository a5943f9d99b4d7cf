import AsyncHTTPClient
import Crypto
import FoundationEssentials
import FunctionHosting
import Logging
import OutboundHTTP
import Support
import TicketWebhook

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// The process that receives webhooks, until SIGTERM or SIGINT. Its exit status is 0 on success, 78 for
/// invalid configuration, and 1 if it cannot serve.
@main
enum BookingStatusWebhook {
    /// Lives as long as the process.
    private static let client = HTTPClient(eventLoopGroup: HTTPClient.defaultEventLoopGroup, configuration: HTTPTransport.configuration)

    static func main() async {
        let signals = await stopSignals()
        var logger = Logger(label: "booking-status-webhook") { CloudLogHandler(label: $0) }
        do {
            let variables = ProcessInfo.processInfo.environment
            let settings = try WebhookSettings { variables[$0] }
            logger.logLevel = settings.server.logLevel
            let server = FunctionServer(receiver(settings), configuration: settings.server, logger: logger) { [logger] port in
                logger.info("listening", metadata: ["host": "\(settings.server.host)", "port": "\(port)"])
            }
            try await runUntilSignalled(server, signals, logger: logger)
            logger.info("stopped")
        } catch let faults as FunctionServerConfiguration.Faults {
            for fault in faults.descriptions { logger.critical("configuration: \(fault)") }
            exit(78)
        } catch {
            logger.critical("cannot serve", metadata: ["error": "\(error)"])
            exit(1)
        }
    }

    private static func receiver(_ settings: WebhookSettings) -> WebhookReceiver {
        let keys = settings.secrets.map { SymmetricKey(data: Data($0.utf8)) }
        let tokens = settings.metadataHost.map { MetadataTokens(HTTPTransport(client, origin: "http://\($0)"), .system) }
        let publisher = TopicPublisher(HTTPTransport(client, origin: settings.pubSubURL), topic: settings.topic, tokens: tokens)
        return WebhookReceiver(
            isAuthentic: { signature, text in
                keys.contains { HMAC<SHA256>.isValidAuthenticationCode(signature, authenticating: text, using: $0) }
            },
            bookingIDField: settings.bookingIDField,
            publish: publisher.publish
        )
    }
}
