import BookingStatusSync
import Logging
import Support
import Zendesk

/// The job `booking-status-function sweep --all`, which checks every unsolved ticket that names a
/// booking once.
struct SweepJob {
    let service: SyncService
    let logger: Logger
    /// The earliest creation time of the tickets to check, in seconds since 1970.
    let start: Int64

    /// - Returns: the exit status: 0 if every ticket was handled, 1 if some are left.
    func run() async throws -> Int32 {
        let handler = service.makeHandler()
        return try await handler.whileRunning {
            var run = SweepRun(time: .system, logger: logger, from: start) { start, progress throws(SweepFailure) in
                try await handler.sweepAll(
                    from: start,
                    deadline: Deadline(after: .seconds(10 * 365 * 86_400), .system),
                    logger: logger,
                    progress: progress
                )
            }
            return await run.run()
        }
    }
}

/// A sweep of all tickets. Resumes where it was stopped, until it is done or has made no progress
/// for an hour.
struct SweepRun {
    typealias Sweep = (_ start: Int64, _ progress: (SweepReport) -> Void) async throws(SweepFailure) -> SweepReport

    private let time: TimeSource
    private let logger: Logger
    private let sweep: Sweep
    private var start: Int64
    /// Counts of the tickets before the last stop.
    private var repaired = 0
    private var unfinished = 0
    private var held = 0

    /// The time without progress, across stops, after which the sweep gives up.
    private static let patience = Duration.seconds(3600)
    private static let maximumPause = Duration.seconds(60)

    init(time: TimeSource, logger: Logger, from start: Int64, _ sweep: @escaping Sweep) {
        self.time = time
        self.logger = logger
        self.start = start
        self.sweep = sweep
    }

    mutating func run() async -> Int32 {
        var pause = Duration.seconds(10)
        var (lastProgress, furthest) = (time.now(), start)
        while true {
            var sinceStop = SweepReport()
            var seen = start
            do throws(SweepFailure) {
                let report = try await sweep(start) { [time, logger, start] report in
                    sinceStop = report
                    seen = report.seenUpTo ?? start
                    // Reading the same pages again is not progress.
                    if seen > furthest {
                        furthest = seen
                        lastProgress = time.now()
                        pause = .seconds(10)
                    }
                    logger.info("sweep", metadata: report.metadata.merging(["seen_up_to": "\(Self.text(seen))"]) { $1 })
                }
                return verdict(report)
            } catch {
                start = seen
                repaired += sinceStop.repaired
                unfinished += sinceStop.unfinished
                held += sinceStop.held
                guard !error.needsPerson, time.now() - lastProgress < Self.patience else { return giveUp(error) }
                let wait = max(error.retryAfter ?? .zero, pause)
                pause = min(pause * 2, Self.maximumPause)
                logger.warning(
                    "sweep",
                    metadata: [
                        "reason": "\(error)", "goes_on_in_s": .stringConvertible(wait.components.seconds), "from": "\(Self.text(start))",
                    ]
                )
                guard (try? await time.sleep(wait)) != nil else { return giveUp(error) }
            }
        }
    }

    private func giveUp(_ error: SweepFailure) -> Int32 {
        logger.critical("sweep", metadata: ["reason": "\(error)", "go_on_with": "sweep --all --from \(Self.text(start))"])
        return 1
    }

    private func verdict(_ report: SweepReport) -> Int32 {
        let (repaired, unfinished) = (repaired + report.repaired, unfinished + report.unfinished)
        let held = held + report.held
        if held > 0 { logger.error("sweep: no ticket was cleared, see the lines above", metadata: ["held": .stringConvertible(held)]) }
        if repaired > 0 { logger.error("sweep: changes were lost", metadata: ["repaired": .stringConvertible(repaired)]) }
        guard unfinished == 0 else {
            logger.error(
                "sweep: tickets are left, run it again",
                metadata: report.metadata.merging([
                    "unfinished": .stringConvertible(unfinished), "reason": "\(report.reason ?? "see the lines above")",
                ]) { $1 }
            )
            return 1
        }
        logger.info("sweep: done", metadata: report.metadata)
        return held > 0 ? 1 : 0
    }

    private static func text(_ seconds: Int64) -> String { RFC3339(seconds: seconds).description }
}
