import Configuration
import FunctionServer
import Logging
import ServiceLifecycle
import UnixSignals

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// The process that the container runs.
package enum BookingStatusMain {
    /// `EX_CONFIG` of sysexits.h.
    private static let configurationFault: Int32 = 78

    /// Runs until SIGTERM or SIGINT.
    ///
    /// Ends the process with 0 then, with 128 and the signal's number on a second one, with 78 on wrong configuration, and with 1 if it
    /// cannot serve.
    package static func run() async -> Never {
        var logger = Logger(label: "booking-status-function") { CloudLogHandler(label: $0) }
        do {
            let settings = try ServiceSettings(config: ConfigReader(provider: EnvironmentVariablesProvider()))
            logger.logLevel = settings.logLevel
            let service = BookingStatusService(settings: settings, logger: logger) { [logger, settings] port in
                logger.info("listening", metadata: ["host": "\(settings.server.host)", "port": "\(port)"])
            }
            try await run(ServiceGroup(configuration: .init(services: [service], logger: logger.quiet)), logger)
        } catch let faults as ConfigurationFaults {
            for fault in faults.faults { logger.critical("configuration: \(fault)") }
            exit(configurationFault)
        } catch {
            logger.critical("cannot serve", metadata: ["error": "\(error)"])
            exit(1)
        }
        logger.info("stopped")
        exit(0)
    }

    /// The service group would ignore a second signal.
    private static func run(_ group: ServiceGroup, _ logger: Logger) async throws {
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            tasks.addTask {
                var isStopping = false
                for await signal in await UnixSignalsSequence(trapping: .sigterm, .sigint) {
                    guard !isStopping else { exit(128 + signal.rawValue) }
                    isStopping = true
                    logger.info("stopping", metadata: ["signal": "\(signal)"])
                    await group.triggerGracefulShutdown()
                }
            }
            defer { tasks.cancelAll() }
            try await tasks.next()
        }
    }
}

extension Logger {
    /// For libraries, whose steps are of interest to whoever debugs them.
    fileprivate var quiet: Logger {
        var logger = self
        logger.logLevel = max(logLevel, .notice)
        return logger
    }
}
