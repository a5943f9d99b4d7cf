import Configuration
import FunctionServer
import Logging
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

    /// `EX_USAGE`.
    private static let usageFault: Int32 = 64

    /// Serves until SIGTERM or SIGINT, or sweeps all tickets once, depending on the arguments.
    ///
    /// Exits with 0 after that, with 128 plus the signal's number on a second signal, with 64 for
    /// unknown arguments, with 78 for invalid configuration, and with 1 if it cannot serve or
    /// tickets are left.
    ///
    /// - Parameter verifier: makes the caller check for push tokens.
    package static func run(verifier: @escaping PushTokens.Verifier) async -> Never {
        let signals = await stopSignals()
        var logger = Logger(label: "booking-status-function") { CloudLogHandler(label: $0) }
        do {
            if CommandLine.arguments.dropFirst() == ["--help"] {
                print(Command.Usage().description + "\n\nSettings are environment variables: see function/REFERENCE.md.")
                exit(0)
            }
            let command = try Command(CommandLine.arguments.dropFirst())
            let settings = try ServiceSettings(config: ConfigReader(provider: EnvironmentVariablesProvider()))
            logger.logLevel = settings.server.logLevel
            let service = BookingStatusService(settings: settings, verifier: verifier, logger: logger) { [logger, settings] port in
                logger.info("listening", metadata: ["host": "\(settings.server.host)", "port": "\(port)"])
            }
            if case .sweep(let start) = command {
                guard settings.spanner != nil else {
                    throw ConfigurationFaults(faults: ["SPANNER_DATABASE is not set: a sweep compares tickets with the database"])
                }
                let job = SweepJob(service: service, logger: logger, start: start)
                exit(try await endedBySignals(signals, logger) { try await job.run() })
            }
            try await runUntilSignalled(service, signals, logger: logger)
        } catch let usage as Command.Usage {
            for line in usage.description.split(separator: "\n") { logger.critical("\(line)") }
            exit(usageFault)
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

    /// Runs a job and exits on the first signal. Completed work is kept, so the job need not drain.
    private static func endedBySignals(
        _ signals: UnixSignalsSequence,
        _ logger: Logger,
        _ job: @escaping @Sendable () async throws -> Int32
    ) async throws -> Int32 {
        try await withThrowingTaskGroup(of: Int32.self) { group in
            group.addTask { try await job() }
            group.addTask {
                for await signal in signals {
                    logger.notice("stopping", metadata: ["signal": "\(signal)"])
                    exit(128 + signal.rawValue)
                }
                throw CancellationError()
            }
            defer { group.cancelAll() }
            return try await group.next()!
        }
    }
}
