import FoundationEssentials
import FunctionHosting
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

    /// Runs the command that the arguments select: serves until SIGTERM or SIGINT, sweeps all
    /// tickets once, or sets up or checks the account.
    ///
    /// A server ends at once at the second signal, with 128 plus the signal's number. The other
    /// commands do so at the first.
    ///
    /// - Parameters:
    ///   - connect: makes the transports to Zendesk and to the database.
    ///   - verifier: makes the caller check for push tokens.
    /// - Returns: the exit status: 0 on success, 64 for unknown arguments, 78 for invalid
    ///   configuration, and 1 if it cannot serve, tickets are left, or the account has a problem.
    package static func run(connect: @escaping SyncService.Connect, verifier: @escaping SyncService.Verifier) async
        -> Int32
    {
        let signals = await stopSignals()
        var logger = Logger(label: "booking-status-function") { CloudLogHandler(label: $0) }
        do {
            let command = try Command(CommandLine.arguments.dropFirst())
            let variables = ProcessInfo.processInfo.environment
            let environment: @Sendable (String) -> String? = { variables[$0] }
            switch command {
            case .help: print(Command.helpText)
            case .setup(let isMeant):
                return try await endedBySignals(signals, logger) {
                    try await AccountCommands(environment: environment, connect: connect, print: { print($0) }).setUp(isMeant: isMeant)
                }
            case .setUpWebhook(let wanted, let secretFile, let isMeant):
                return try await endedBySignals(signals, logger) {
                    let commands = AccountCommands(environment: environment, connect: connect, print: { print($0) })
                    return try await commands.setUp(wanted, secretFile: secretFile, isMeant: isMeant)
                }
            case .check(let tickets, let webhook, let isMeant):
                return try await endedBySignals(signals, logger) {
                    let commands = AccountCommands(environment: environment, connect: connect, print: { print($0) })
                    return try await commands.check(tickets: tickets, webhook: webhook, isMeant: isMeant)
                }
            case .sweep(let start):
                let settings = try ServiceSettings(environment: environment)
                guard settings.spanner != nil else {
                    throw ConfigurationFaults(faults: ["SPANNER_DATABASE is not set: a sweep compares tickets with the database"])
                }
                logger.logLevel = settings.server.logLevel
                let service = SyncService(settings: settings, connect: connect, logger: logger)
                let job = SweepJob(service: service, logger: logger, start: start)
                return try await endedBySignals(signals, logger) { try await job.run() }
            case .serve:
                let settings = try ServiceSettings(environment: environment)
                logger.logLevel = settings.server.logLevel
                let service = SyncService(settings: settings, connect: connect, verifier: verifier, logger: logger) {
                    [logger, settings] port in
                    logger.info("listening", metadata: ["host": "\(settings.server.host)", "port": "\(port)"])
                }
                try await runUntilSignalled(service, signals, logger: logger)
                logger.info("stopped")
            }
            return 0
        } catch let unknown as Command.Unknown {
            logger.critical("\(unknown.reason): booking-status-function --help explains it")
            return usageFault
        } catch let faults as ConfigurationFaults {
            for fault in faults.faults { logger.critical("configuration: \(fault)") }
            return configurationFault
        } catch {
            logger.critical("cannot serve", metadata: ["error": "\(error)"])
            return 1
        }
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
