import FunctionRuntime
import FoundationEssentials
package import Logging
package import Support
import Zendesk

extension BookingStatusHandler {
    /// Handles a message with the attribute `task=sweep`, which a schedule publishes.
    func handleSweep(_ message: PubSubMessage, _ context: FunctionContext) async throws(FunctionFailure) {
        guard let sweep else { throw .unprocessable("SPANNER_DATABASE is not set: a sweep needs the database") }
        let deadline = Deadline(after: context.timeRemaining - Self.timeToAnswer, time)
        let now = time.secondsSince1970()
        var window: SweepWindow
        switch await sweeps.take(message.publishTime?.timeIntervalSince1970 ?? now, now: Int64(now), before: deadline) {
        case .taken(let taken): window = taken
        case .superseded: return context.logger.info("sweep", metadata: ["outcome": "\(Outcome.superseded.rawValue)"])
        case .timeIsUp: throw .tryAgain(after: .seconds(5), "another sweep is running")
        }
        let wasCut = window.isCut
        defer { sweeps.end(window) }
        context.logger.info("calls of the last minute", metadata: sweep.zendesk.usage.metadata)
        let report: SweepReport
        do {
            let caller = Sweep.Caller(
                kind: .minute,
                id: context.eventID,
                options: CallOptions(.low, before: deadline),
                logger: context.logger
            )
            report = try await sweep.runRecent(&window, caller)
        } catch {
            if error.needsPerson { context.logger.error("sweep", metadata: ["reason": "\(error)"]) }
            throw .tryAgain(after: error.retryAfter ?? .seconds(10), "the sweep cannot continue: \(error)")
        }
        if window.isCut, !wasCut, !report.isStopped {
            context.logger.warning(
                "sweep",
                metadata: ["reason": "more tickets were updated than one sweep checks: the next sweeps continue until they have caught up"]
            )
        }
        context.logger.info("sweep", metadata: report.metadata)
        guard !report.isStopped else {
            throw .tryAgain(after: report.retryAfter ?? .seconds(10), "tickets are left: \(report.reason ?? "")")
        }
    }

    /// Sweeps every unsolved ticket that names a booking, or ought to. This is the back-fill before
    /// the first event and the repair after an outage. The handler has to be running.
    ///
    /// - Parameters:
    ///   - from: only tickets that were created at or after this time, in seconds since 1970.
    ///   - progress: called after each hundred tickets.
    /// - Throws: ``SweepFailure`` if the sweep cannot continue.
    package func sweepAll(
        from start: Int64,
        deadline: Deadline,
        logger: Logger,
        progress: (SweepReport) -> Void
    ) async throws(SweepFailure) -> SweepReport {
        guard let sweep else { throw SweepFailure(BookingSourceError("SPANNER_DATABASE is not set", needsPerson: true)) }
        // A job has its own instance, and with it its own budget.
        let caller = Sweep.Caller(kind: .all, id: "sweep --all", options: .before(deadline), logger: logger)
        do {
            // A new process knows no ticket with which to check the index.
            let (zendesk, field) = (sweep.zendesk, sweep.settings.bookingIDField)
            try await SearchIndex.compareWithList(zendesk, field: field, time: time, caller.options)
        } catch {
            throw SweepFailure(error)
        }
        var report = try await sweep.run(.createdFrom(start), caller, progress: progress)
        guard !report.isStopped else { return report }
        if report.held > 0, !sweep.clearing.isHolding {
            // Too many bookings were absent at first, but not overall: sweep again to clear the
            // held tickets.
            report.held = 0
            report = try await sweep.run(.createdFrom(start), caller, into: report, progress: progress)
        }
        return try await sweep.run(.withoutBookingID, caller, into: report, progress: { _ in })
    }
}

extension CallUsage {
    fileprivate var metadata: Logger.Metadata {
        [
            "reads": .stringConvertible(reads), "read_limit": .stringConvertible(readLimit), "writes": .stringConvertible(writes),
            "write_limit": .stringConvertible(writeLimit), "jobs": .stringConvertible(jobs),
        ]
    }
}
