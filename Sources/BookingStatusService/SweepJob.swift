import BookingStatusSync
import Logging
import Timestamps
import Zendesk

/// `booking-status-function sweep --all`: every unsolved ticket that names a booking, once. A job, not a server.
struct SweepJob {
    let service: BookingStatusService
    let logger: Logger
    /// Only tickets that were created then or later, in seconds since 1970.
    let start: Int64

    /// How often in a row it is stopped before it gives up.
    private static let mostStops = 10

    /// - Returns: the exit status: 0 if every ticket was dealt with, 1 if some are left.
    func run() async throws -> Int32 {
        try await service.withHandler { handler, _ in
            var from = start
            var stops = 0
            /// On the way to where it was stopped.
            var repaired = 0
            while true {
                var sinceStop = 0
                do {
                    let report = try await handler.sweepAll(
                        from: from,
                        deadline: Deadline(after: .seconds(10 * 365 * 86_400), .system),
                        logger: logger
                    ) { report in
                        stops = 0
                        sinceStop = report.repaired
                        from = report.seenUpTo ?? from
                        logger.info("sweep", metadata: metadata(report, from))
                    }
                    return verdict(report, repaired: repaired + report.repaired)
                } catch let failure as SweepFailure where !failure.needsPerson && stops < Self.mostStops {
                    stops += 1
                    repaired += sinceStop
                    let wait = max(failure.retryAfter ?? .zero, .seconds(10))
                    logger.warning(
                        "sweep",
                        metadata: ["reason": "\(failure)", "goes_on_in_s": "\(wait.components.seconds)", "from": "\(time(from))"]
                    )
                    try await Task.sleep(for: wait)
                    continue
                } catch {
                    logger.critical("sweep", metadata: ["reason": "\(error)", "go_on_with": "sweep --all --from \(time(from))"])
                    return 1
                }
            }
        }
    }

    private func verdict(_ report: SweepReport, repaired: Int) -> Int32 {
        if repaired > 0 { logger.error("sweep: changes were lost", metadata: ["repaired": "\(repaired)"]) }
        guard report.unfinished == 0 else {
            logger.error(
                "sweep: tickets are left, run it again",
                metadata: ["unfinished": "\(report.unfinished)", "reason": "\(report.reason ?? "")"]
            )
            return 1
        }
        logger.info("sweep: done", metadata: report.metadata)
        return 0
    }

    private func metadata(_ report: SweepReport, _ from: Int64) -> Logger.Metadata {
        report.metadata.merging(["seen_up_to": "\(time(from))"]) { $1 }
    }

    private func time(_ seconds: Int64) -> String { RFC3339(seconds: seconds).description }
}

/// What the process was asked to do.
enum Command: Equatable {
    case serve
    case sweep(from: Int64)

    struct Usage: Error, CustomStringConvertible {
        let description = """
            usage: booking-status-function                            serve events
                   booking-status-function sweep --all [--from TIME]  look at every unsolved ticket; TIME, as 2026-11-24T00:00:00Z, is the
                                                                      creation of the oldest
            """
    }

    /// - Parameter arguments: without the program's name.
    init(_ arguments: some Collection<String>) throws(Usage) {
        let words = Array(arguments)
        switch words.count {
        case 0: self = .serve
        case 2 where words == ["sweep", "--all"]: self = .sweep(from: 0)
        case 4 where words[0] == "sweep" && words[1] == "--all" && words[2] == "--from":
            guard let time = RFC3339(words[3]) else { throw Usage() }
            self = .sweep(from: time.seconds)
        default: throw Usage()
        }
    }
}
