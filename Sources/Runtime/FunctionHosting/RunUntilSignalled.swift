public import Logging
public import ServiceLifecycle
package import UnixSignals

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Runs a service until SIGTERM or SIGINT, then shuts it down gracefully. The service is usually a
/// ``FunctionServer``.
///
/// Returns when the service has ended. A second signal ends the process at once, with exit status
/// 128 plus the signal's number. A service group alone would ignore it.
///
/// - Parameters:
///   - service: the service to run.
///   - logger: logs the signal.
/// - Throws: what the service throws.
public func runUntilSignalled(_ service: some Service, logger: Logger) async throws {
    try await runUntilSignalled(service, await stopSignals(), logger: logger)
}

/// The signals that stop a process. The first process of a container loses signals that arrive
/// before this call.
package func stopSignals() async -> UnixSignalsSequence { await UnixSignalsSequence(trapping: .sigterm, .sigint) }

package func runUntilSignalled(_ service: some Service, _ signals: UnixSignalsSequence, logger: Logger) async throws {
    // The group's own messages are useful only for debugging it.
    var groupLogger = logger
    groupLogger.logLevel = max(logger.logLevel, .notice)
    let group = ServiceGroup(configuration: .init(services: [service], logger: groupLogger))
    try await withThrowingTaskGroup(of: Void.self) { tasks in
        tasks.addTask { try await group.run() }
        tasks.addTask {
            var isStopping = false
            for await signal in signals {
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
