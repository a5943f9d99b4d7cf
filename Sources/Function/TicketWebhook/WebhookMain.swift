import FoundationEssentials
import FunctionHosting
import Logging
package import Support

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// The process that receives webhooks.
package enum WebhookMain {
    /// Serves until SIGTERM or SIGINT.
    ///
    /// - Parameters:
    ///   - connect: makes the transport to an origin.
    ///   - isAuthentic: makes the check of signatures from the secrets.
    /// - Returns: the exit status: 0 on success, 78 for invalid configuration, and 1 if it cannot serve.
    package static func run(
        connect: (_ origin: String) -> any OutboundTransport,
        isAuthentic: (_ secrets: [String]) -> WebhookReceiver.IsAuthentic
    ) async -> Int32 {
        let signals = await stopSignals()
        var logger = Logger(label: "booking-status-webhook") { CloudLogHandler(label: $0) }
        do throws(WebhookSettings.Faults) {
            let variables = ProcessInfo.processInfo.environment
            let settings = try WebhookSettings { variables[$0] }
            logger.logLevel = settings.server.logLevel
            let tokens = settings.metadataHost.map { MetadataTokens(connect("http://\($0)"), .system) }
            let publisher = TopicPublisher(connect(settings.pubSubURL), topic: settings.topic, tokens: tokens)
            let receiver = WebhookReceiver(
                isAuthentic: isAuthentic(settings.secrets),
                bookingIDField: settings.bookingIDField,
                publish: publisher.publish
            )
            let server = FunctionServer(receiver, configuration: settings.server, logger: logger) { [logger] port in
                logger.info("listening", metadata: ["host": "\(settings.server.host)", "port": "\(port)"])
            }
            do {
                try await runUntilSignalled(server, signals, logger: logger)
            } catch {
                logger.critical("cannot serve", metadata: ["error": "\(error)"])
                return 1
            }
            logger.info("stopped")
            return 0
        } catch {
            for fault in error.descriptions { logger.critical("configuration: \(fault)") }
            return 78
        }
    }
}
