import CloudEvents
import FoundationEssentials
import FunctionRuntime
package import Logging
package import Zendesk

extension BookingStatusHandler {
    /// How far back a sweep looks. Search lags by minutes, and a sweep may be late.
    private static let window: Int64 = 15 * 60

    /// A message with the attribute `task=sweep`, as a schedule publishes it.
    func handleSweep(_ message: PubSubMessage, _ context: FunctionContext) async throws(FunctionFailure) {
        guard let sweep else { throw .unprocessable("SPANNER_DATABASE is not set: without it there is nothing to sweep from") }
        let deadline = Deadline(after: context.timeRemaining - Self.timeToAnswer, time)
        let now = time.secondsSince1970()
        switch await sweeps.take(message.publishTime?.timeIntervalSince1970 ?? now, before: deadline) {
        case .taken: break
        case .superseded: return context.logger.info("sweep", metadata: ["outcome": "\(Outcome.superseded.rawValue)"])
        case .timeIsUp: throw .tryAgain(after: .seconds(5), "another sweep is running")
        }
        defer { sweeps.end() }
        let (scope, cursor) = sweeps.start(time.now(), secondsSince1970: Int64(now), window: Self.window)
        let report: SweepReport
        do {
            let caller = Sweep.Caller(id: context.eventID, priority: .low, deadline: deadline, logger: context.logger)
            report = try await sweep.run(scope, after: cursor, caller)
        } catch {
            sweeps.stopped(scope, at: cursor, time.now())
            if error.needsPerson { context.logger.error("sweep", metadata: ["reason": "\(error)"]) }
            throw .tryAgain(after: error.retryAfter ?? .seconds(10), "the sweep cannot go on: \(error)")
        }
        if report.isStopped { sweeps.stopped(scope, at: report.stoppedAt, time.now()) } else { sweeps.finished() }
        context.logger.info("sweep", metadata: report.metadata)
        guard report.isComplete else {
            throw .tryAgain(after: report.retryAfter ?? .seconds(10), "tickets are left: \(report.reason ?? "")")
        }
    }

    /// Looks at every unsolved ticket that names a booking, or ought to: the back-fill before the first event, and the repair after an outage.
    /// The handler has to be running.
    ///
    /// - Parameters:
    ///   - from: only tickets that were created at this time or later, in seconds since 1970.
    ///   - progress: is told of each hundred tickets.
    /// - Throws: ``SweepFailure``, where it cannot go on.
    package func sweepAll(
        from start: Int64,
        deadline: Deadline,
        logger: Logger,
        progress: (SweepReport) -> Void
    ) async throws(SweepFailure) -> SweepReport {
        guard let sweep else { throw SweepFailure(BookingSourceError("SPANNER_DATABASE is not set", needsPerson: true)) }
        // A job has an instance, and with it a budget, of its own.
        let caller = Sweep.Caller(id: "sweep --all", priority: .normal, deadline: deadline, logger: logger)
        let report = try await sweep.run(.createdFrom(start), caller, progress: progress)
        guard !report.isStopped else { return report }
        return try await sweep.run(.withoutBookingID, caller, into: report, progress: { _ in })
    }
}
