import BookingStatusSync
import InMemoryLogging
import Logging
import Synchronization
import TestSupport
import Testing
import Zendesk

@testable import BookingStatusService

@Suite("The sweep of all tickets")
struct SweepRunTests {
    private let time = ManualTime()
    private let log = InMemoryLogHandler()

    private func status(_ sweep: @escaping SweepRun.Sweep) async -> Int32 {
        var run = SweepRun(time: time.source, logger: Logger(label: "t") { _ in log }, from: 0, sweep)
        return await run.run()
    }

    private func page(unfinished: Int = 0, repaired: Int = 0, seenUpTo: Int64? = nil) -> SweepReport {
        var report = SweepReport()
        (report.unfinished, report.repaired, report.seenUpTo) = (unfinished, repaired, seenUpTo)
        return report
    }

    @Test("tickets left before an interruption are still reported at the end, and the run fails")
    func unfinishedIsCarriedOver() async {
        let stops = Mutex(0)
        let result = await status { _, progress throws(SweepFailure) in
            if stops.withLock({ stops in
                stops += 1
                return stops
            }) == 1 {
                progress(page(unfinished: 3, repaired: 2, seenUpTo: 100))
                throw SweepFailure(BookingSourceError("Spanner answers 503"))
            }
            return page()
        }
        #expect(result == 1)
        #expect(log.entries.contains { "\($0.message)".contains("tickets are left") && $0.metadata["unfinished"]?.description == "3" })
        #expect(log.entries.contains { "\($0.message)".contains("changes were lost") && $0.metadata["repaired"]?.description == "2" })
    }

    @Test("the sweep survives a ten-minute outage and resumes where it stopped")
    func outage() async {
        let starts = Mutex<[Int64]>([])
        let result = await status { start, progress throws(SweepFailure) in
            let isFirst = starts.withLock { starts in
                starts.append(start)
                return starts.count == 1
            }
            if isFirst { progress(page(seenUpTo: 500)) }
            guard time.secondsSince1970 > time.start + 600 else { throw SweepFailure(BookingSourceError("down")) }
            return page()
        }
        #expect(result == 0)
        #expect(starts.withLock { $0.dropFirst().allSatisfy { $0 == 500 } })
    }

    @Test("an export that keeps returning the same pages is given up after an hour", .timeLimit(.minutes(1)))
    func circle() async {
        let result = await status { _, progress throws(SweepFailure) in
            progress(page(seenUpTo: 500))
            throw SweepFailure(BookingSourceError("the export leads back to a page that it has given before"))
        }
        #expect(result == 1)
        #expect((3600..<4000).contains(time.secondsSince1970 - time.start))
        #expect(log.entries.last?.metadata["go_on_with"] == "sweep --all --from 1970-01-01T00:08:20Z")
    }

    @Test("the sweep ends after an hour without a page, or at once if it needs a person, and says how to resume")
    func givesUp() async {
        #expect(await status { _, _ throws(SweepFailure) in throw SweepFailure(BookingSourceError("down")) } == 1)
        #expect((3600..<4000).contains(time.secondsSince1970 - time.start))
        #expect(log.entries.last?.metadata["go_on_with"] == "sweep --all --from 1970-01-01T00:00:00Z")
        let before = time.secondsSince1970
        #expect(await status { _, _ throws(SweepFailure) in throw SweepFailure(BookingSourceError("no rights", needsPerson: true)) } == 1)
        #expect(time.secondsSince1970 == before)
    }
}
