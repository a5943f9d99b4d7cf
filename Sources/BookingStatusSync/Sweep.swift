import FoundationEssentials
import FunctionRuntime
package import Logging
import SpannerChangeStreams
import Synchronization
import Zendesk

/// Looks at tickets instead of changes: reads the bookings that they name, and brings each status to its ticket by the same rules.
///
/// It fills what no change came for: a ticket that was opened after its booking's last change, a follow-up with an old ticket's values, a
/// booking ID that was corrected, a change that was lost on the way. What a search says of a ticket counts for nothing: every ticket is
/// read.
struct Sweep: Sendable {
    let desk: TicketDesk
    let synchronizer: TicketSynchronizer
    let bookings: any BookingSource
    let settings: BookingStatusSettings
    let time: TimeSource
    /// What was said before: a booking that Spanner does not have stays so from sweep to sweep.
    let reported = ReportedTickets()

    /// How many tickets are worked on at once.
    private static let width = 4
    private static let idsInAQuery = 100

    /// Which tickets to look at: unsolved ones that name a booking, and of those
    enum Scope: Sendable {
        /// the ones that were updated after this time,
        case updatedAfter(Int64)
        /// or those that were created at this time or later. Both in seconds since 1970.
        case createdFrom(Int64)
    }

    /// - Parameters:
    ///   - id: goes into the audit of what is written.
    ///   - yields: whether half of the updates are left to live changes.
    ///   - progress: is told after each page of tickets what came of all so far.
    /// - Returns: what came of it.
    /// - Throws: ``SweepFailure`` where it cannot go on; what was done stays.
    func run(
        _ scope: Scope,
        id: String,
        yields: Bool = true,
        deadline: Deadline,
        logger: Logger,
        progress: (SweepReport) -> Void = { _ in }
    ) async throws(SweepFailure) -> SweepReport {
        let search =
            switch scope {
            case .updatedAfter(let time): TicketSearch(unsolvedWithValueIn: settings.bookingIDField, .updatedAfter, time)
            case .createdFrom(let time): TicketSearch(unsolvedWithValueIn: settings.bookingIDField, .createdFrom, time)
            }
        var report = SweepReport()
        var cursor: String?
        repeat {
            let page: (tickets: [(id: Int, createdAt: Int64?)], next: String?)
            let readings: [Int: TicketReading]
            do throws(ZendeskError) {
                page = try await desk.zendesk.exportedTickets(search, after: cursor, deadline: deadline)
                readings = try await desk.read(page.tickets.map(\.id), deadline: deadline)
            } catch {
                throw SweepFailure(error)
            }
            let tickets = page.tickets.compactMap { readings[$0.id] }.filter { !$0.ticket.isClosed }
            try await settle(tickets, id, yields, deadline, logger, &report)
            report.seenUpTo = page.tickets.last?.createdAt ?? report.seenUpTo
            progress(report)
            cursor = page.next
        } while cursor != nil
        return report
    }

    private func settle(
        _ readings: [TicketReading],
        _ id: String,
        _ yields: Bool,
        _ deadline: Deadline,
        _ logger: Logger,
        _ report: inout SweepReport
    ) async throws(SweepFailure) {
        let named = readings.compactMap { reading in
            reading.ticket.text(of: settings.bookingIDField).flatMap { $0.isEmpty ? nil : (bookingID: $0, reading: reading) }
        }
        let ids = Set(named.map(\.bookingID)).sorted()
        for start in stride(from: 0, to: ids.count, by: Self.idsInAQuery) {
            let chunk = Array(ids[start..<min(start + Self.idsInAQuery, ids.count)])
            let bookings: BookingReading
            do {
                bookings = try await self.bookings.read(chunk, deadline: deadline)
            } catch {
                throw SweepFailure(error)
            }
            let tickets = named.filter { chunk.contains($0.bookingID) }
            let results = await concurrently(tickets, width: Self.width) { bookingID, reading in
                await settle(reading, of: bookingID, bookings, id, yields, deadline)
            }
            for ((bookingID, reading), result) in zip(tickets, results) {
                let state = desk.state(of: reading.ticket, latest: .infinity)
                report.add(result, carriedVersion: state.kept?.bookingID == bookingID)
                log(result, bookingID, bookings, logger)
            }
        }
    }

    private func settle(
        _ reading: TicketReading,
        of bookingID: String,
        _ bookings: BookingReading,
        _ id: String,
        _ yields: Bool,
        _ deadline: Deadline
    ) async -> TicketResult {
        let ticket = reading.ticket.id
        var change = TagChange(bookingID: bookingID, from: nil, to: nil, version: bookings.version, isFresh: false)
        switch bookings.statuses[bookingID] {
        case nil: change.source = .sweepWithoutBooking
        case .some(nil): change.source = .sweep
        case .some(let status?):
            guard let tag = settings.tags[status] else {
                return TicketResult(ticket: ticket, outcome: .unknownStatus, reason: "no tag is configured for the status")
            }
            (change.to, change.source) = (tag, .sweep)
        }
        let metadata = [
            "source": "booking-status-sync", "booking": bookingID, "event": id, "task": "sweep",
            "version": KeptVersion(bookingID: bookingID, version: change.version, tag: change.to).text,
        ]
        let pending = PendingChange(tagChange: change, metadata: metadata, yields: yields)
        return await synchronizer.settle(pending, reading, deadline: deadline)
    }

    /// One line for each ticket that is not as it should have been; and of what stays so, only the first time.
    private func log(_ result: TicketResult, _ bookingID: String, _ bookings: BookingReading, _ logger: Logger) {
        guard let ticket = result.ticket, result.outcome != .stale, result.outcome != .unchanged else { return }
        if result.outcome.verdict == .never || result.outcome == .unknownBooking || result.outcome == .unexpectedStatus {
            guard reported.isNew(ticket, bookingID, result.outcome) else { return }
        }
        var metadata: Logger.Metadata = [
            "task": "sweep", "booking": "\(bookingID)", "ticket": "\(ticket)", "outcome": "\(result.outcome.rawValue)",
            "to": "\((bookings.statuses[bookingID] ?? nil) ?? "none")",
        ]
        if let reason = result.reason { metadata["reason"] = "\(reason)" }
        logger.log(level: result.needsPerson ? .error : result.outcome.logLevel, "booking status", metadata: metadata)
    }
}

extension BookingReading {
    /// Everything up to this millisecond is in the reading. What was committed later in the same millisecond may be, too: rounded up, the
    /// version would claim to know it.
    fileprivate var version: BookingVersion {
        let time = CommitTimestamp(seconds: readTimestamp.seconds, nanoseconds: readTimestamp.nanoseconds, precision: .milliseconds)
        return BookingVersion(commitTimestamp: time, recordSequence: "0", transactionID: "sweep")
    }
}

/// What a sweep came to.
package struct SweepReport: Equatable, Sendable {
    /// Tickets by what became of them.
    package var outcomes: [Outcome: Int] = [:]
    /// Of those that were written: how many carried a version of ours, so that a change must have been lost, or be on its way.
    package var repaired = 0
    /// Tickets that could not be dealt with, and the first reason.
    package var unfinished = 0
    package var reason: String?
    var retryAfter: Duration?
    /// The time of creation up to which all tickets have been seen, in seconds since 1970.
    package var seenUpTo: Int64?

    package var tickets: Int { outcomes.values.reduce(0, +) }
    package var written: Int { [Outcome.added, .updated, .cleared].reduce(0) { $0 + (outcomes[$1] ?? 0) } }

    fileprivate mutating func add(_ result: TicketResult, carriedVersion: Bool) {
        outcomes[result.outcome, default: 0] += 1
        if carriedVersion, [.added, .updated, .cleared].contains(result.outcome) { repaired += 1 }
        if result.outcome.verdict == .tryAgain {
            unfinished += 1
            reason = reason ?? result.reason ?? result.outcome.rawValue
            retryAfter = max(retryAfter ?? .zero, result.retryAfter ?? .zero)
        }
    }

    package var metadata: Logger.Metadata {
        var metadata: Logger.Metadata = ["tickets": "\(tickets)", "written": "\(written)", "repaired": "\(repaired)"]
        if unfinished > 0 { metadata["unfinished"] = "\(unfinished)" }
        for outcome in [Outcome.unknownBooking, .unknownStatus, .unexpectedStatus, .tagNotAccepted, .rejected, .dryRun] {
            if let count = outcomes[outcome] { metadata[outcome.rawValue] = "\(count)" }
        }
        return metadata
    }
}

/// Why a sweep cannot go on.
package struct SweepFailure: Error, CustomStringConvertible {
    package var description: String
    package var needsPerson: Bool
    package var retryAfter: Duration?

    init(_ error: ZendeskError) {
        (description, retryAfter) = (error.description, error.retryAfter)
        needsPerson = error.kind == .unauthorized || !error.canSucceedLater
    }

    init(_ error: BookingSourceError) { (description, needsPerson) = (error.description, error.needsPerson) }
}

/// Remembers what has been said of which ticket.
final class ReportedTickets: Sendable {
    private struct Report: Hashable {
        let ticket: Int
        let bookingID: String
        let outcome: Outcome
    }

    private let reports = Mutex<Set<Report>>([])
    private static let most = 20_000

    func isNew(_ ticket: Int, _ bookingID: String, _ outcome: Outcome) -> Bool {
        reports.withLock { reports in
            if reports.count >= Self.most { reports = [] }
            return reports.insert(Report(ticket: ticket, bookingID: bookingID, outcome: outcome)).inserted
        }
    }
}

/// Lets one sweep run at a time, and none that has been overtaken by a later one.
final class SweepTurns: Sendable {
    private let gate = Gate()
    private let latest = Mutex(-Double.infinity)

    enum Turn { case taken, superseded, timeIsUp }

    /// - Parameter publishedAt: seconds since 1970.
    func take(_ publishedAt: Double, before deadline: Deadline) async -> Turn {
        if isOvertaken(publishedAt) { return .superseded }
        guard await gate.enter(before: deadline) else { return .timeIsUp }
        if isOvertaken(publishedAt) {
            gate.leave()
            return .superseded
        }
        return .taken
    }

    func end() { gate.leave() }

    private func isOvertaken(_ publishedAt: Double) -> Bool {
        latest.withLock { latest in
            latest = max(latest, publishedAt)
            return publishedAt < latest
        }
    }
}
