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

/// Runs a service, as a rule a ``FunctionServer``, until the process gets SIGTERM or SIGINT; then
/// the service shuts down gracefully.
///
/// Returns when the service has ended. A second signal ends the process at once, with 128 and the
/// signal's number as its exit status: a service group on its own would ignore it.
///
/// - Parameters:
///   - service: what runs.
///   - logger: told of the signal.
/// - Throws: what the service throws.
public func runUntilSignalled(_ service: some Service, logger: Logger) async throws {
    try await runUntilSignalled(service, await stopSignals(), logger: logger)
}

/// The signals that stop a process. As the first process of a container it loses those that come
/// before somebody asks for them.
package func stopSignals() async -> UnixSignalsSequence { await UnixSignalsSequence(trapping: .sigterm, .sigint) }

package func runUntilSignalled(_ service: some Service, _ signals: UnixSignalsSequence, logger: Logger) async throws {
    // Its steps are of interest to whoever debugs it.
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
