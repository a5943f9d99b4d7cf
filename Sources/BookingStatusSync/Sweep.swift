import FoundationEssentials
import FunctionRuntime
import Logging
import SpannerChangeStreams
import Support
import Zendesk

/// Starts from tickets instead of changes. It reads the bookings that the tickets name, and applies
/// each status by the same rules.
///
/// It covers tickets that no change reaches: a ticket opened after its booking's last change, a
/// follow-up with an old ticket's values, a corrected booking ID, a lost change. It reads every
/// ticket and ignores what a search shows of it.
struct Sweep: Sendable {
    let desk: TicketDesk
    let queue: BookingQueue
    let bookings: any BookingSource
    let settings: BookingStatusSettings
    let time: TimeSource
    let reported = ReportedTickets()
    let settled = SettledTickets()

    private static let idsInAQuery = 100
    /// Maximum restarts of an export at the same place.
    private static let maximumRestarts = 3
    /// Maximum tries of a job for the tickets of a page without progress.
    private static let maximumStillstands = 30

    /// Which unsolved tickets to sweep. Times are in seconds since 1970.
    enum Scope: Equatable, Sendable {
        /// Tickets that name a booking and were created at or after this time.
        case createdFrom(Int64)
        /// Tickets that name no booking, although they have our version.
        case withoutBookingID
    }

    /// The caller of a sweep, and how much of the budgets it may use.
    struct Caller: Sendable {
        /// Appears in the audit of each write.
        var id: String
        /// Low beside live changes. A sweep of low priority stops when the budgets run out. Any
        /// other waits until they have room again.
        var priority: CallPriority
        var deadline: Deadline
        var logger: Logger

        /// Deadline for the calls of one page, so that a job notices when nothing moves.
        func callDeadline(_ time: TimeSource) -> Deadline { Deadline(after: min(deadline.remaining, .seconds(600)), time) }

        /// Whether the sweep ends here and the next one continues.
        func stops(at error: ZendeskError) -> Bool {
            switch error.kind {
            case .limited, .timeIsUp, .unavailable: priority == .low
            default: false
            }
        }
    }

    /// - Parameters:
    ///   - cursor: where an earlier sweep of this scope stopped; nil starts at the first page.
    ///   - progress: called after each page of tickets with the report so far.
    /// - Returns: the report, including `start`.
    /// - Throws: ``SweepFailure`` if the sweep cannot continue. Completed writes stay.
    func run(
        _ scope: Scope,
        after cursor: String? = nil,
        _ caller: Caller,
        into start: SweepReport = SweepReport(),
        progress: (SweepReport) -> Void = { _ in }
    ) async throws(SweepFailure) -> SweepReport {
        let first = scope
        var (scope, cursor, report, restarts) = (scope, cursor, start, 0)
        var cursors: Set<String> = []
        while true {
            let page: (tickets: [(id: Int, createdAt: Int64?)], next: String?)
            let deadline = caller.callDeadline(time)
            do throws(ZendeskError) {
                guard let search = search(scope) else { return report }
                try await desk.expectFields(priority: caller.priority, deadline: deadline)
                page = try await desk.zendesk.exportedTickets(
                    search,
                    after: cursor,
                    priority: caller.priority,
                    deadline: deadline
                )
            } catch {
                if caller.stops(at: error) { return report.stopped(at: cursor, error) }
                // A cursor expires after an hour. Without it, the export continues at the last
                // ticket's creation.
                guard error.kind == .rejected, cursor != nil, restarts < Self.maximumRestarts else { throw SweepFailure(error) }
                (cursor, restarts, cursors) = (nil, restarts + 1, [])
                if case .createdFrom = scope { scope = report.seenUpTo.map { .createdFrom($0) } ?? first }
                continue
            }
            let found: [TicketFound]
            do throws(ZendeskError) {
                found = try await desk.read(page.tickets.map(\.id), priority: caller.priority, deadline: deadline)
            } catch {
                if caller.stops(at: error) { return report.stopped(at: cursor, error) }
                throw SweepFailure(error)
            }
            try await settle(found.compactMap(\.reading).filter { !$0.ticket.isClosed }, scope, caller, &report)
            if report.isStopped { return report.stopped(at: cursor) }
            if scope != .withoutBookingID { report.saw(page.tickets.map(\.createdAt)) }
            progress(report)
            restarts = 0
            guard let next = page.next else { return report }
            guard cursors.insert(next).inserted else {
                throw SweepFailure(ZendeskError(.unavailable, "the search's export leads back to a page that it has given before"))
            }
            cursor = next
        }
    }

    private func search(_ scope: Scope) -> TicketSearch? {
        switch scope {
        case .createdFrom(let time): TicketSearch(unsolvedWithValueIn: settings.bookingIDField, createdFrom: time)
        case .withoutBookingID:
            settings.bookingVersionField.map { TicketSearch(unsolvedWithValueIn: $0, andNoneIn: settings.bookingIDField) }
        }
    }

    // MARK: One page

    /// The tickets of one booking.
    private struct Item {
        var change: PendingChange
        var readings: [TicketReading]
    }

    private func settle(
        _ readings: [TicketReading],
        _ scope: Scope,
        _ caller: Caller,
        _ report: inout SweepReport
    ) async throws(SweepFailure) {
        if scope == .withoutBookingID { return try await submit(forgotten(readings, caller), caller, &report) }
        try await settleNamed(readings, caller, &report)
    }

    /// Applies the statuses of bookings to the tickets that name them.
    func settleNamed(_ readings: [TicketReading], _ caller: Caller, _ report: inout SweepReport) async throws(SweepFailure) {
        var named: [(bookingID: String, readings: [TicketReading])] = []
        for reading in readings {
            guard let bookingID = reading.ticket.text(of: settings.bookingIDField) else { continue }
            if let index = named.firstIndex(where: { $0.bookingID == bookingID }) {
                named[index].readings.append(reading)
            } else {
                named.append((bookingID, [reading]))
            }
        }
        for start in stride(from: 0, to: named.count, by: Self.idsInAQuery) {
            let chunk = named[start..<min(start + Self.idsInAQuery, named.count)]
            let bookings: BookingReading
            do {
                bookings = try await self.bookings.read(chunk.map(\.bookingID).sorted(), deadline: caller.deadline)
            } catch {
                throw SweepFailure(error)
            }
            var items: [Item] = []
            for (bookingID, readings) in chunk {
                let change = change(of: bookingID, bookings, caller)
                if let hopeless = hopeless(bookingID, bookings, change) {
                    for reading in readings {
                        let result = TicketResult(ticket: reading.ticket.id, outcome: hopeless.outcome, reason: hopeless.reason)
                        change.log(result)
                        report.add(result, isRepair: false)
                    }
                } else {
                    items.append(Item(change: change, readings: readings))
                }
            }
            try await submit(items, caller, &report)
            if report.isStopped { return }
        }
    }

    private func change(of bookingID: String, _ bookings: BookingReading, _ caller: Caller) -> PendingChange {
        let status = bookings.statuses[bookingID]
        var change = TagChange(bookingID: bookingID, from: .unknown, to: nil, version: bookings.version, isFresh: false)
        change.to = (status ?? nil).flatMap { settings.tags[$0] }
        change.source = status == nil ? .sweepWithoutBooking : .sweep
        return pending(change, to: (status ?? nil) ?? "none", caller)
    }

    private func pending(_ change: TagChange, to: String, _ caller: Caller) -> PendingChange {
        PendingChange(
            tagChange: change,
            from: FormerStatus.unknown.text,
            to: to,
            eventID: caller.id,
            logger: caller.logger,
            priority: caller.priority,
            reported: reported
        )
    }

    private func hopeless(
        _ bookingID: String,
        _ bookings: BookingReading,
        _ change: PendingChange
    ) -> (outcome: Outcome, reason: String)? {
        if bookings.ambiguous.contains(bookingID) {
            return (.ambiguousBooking, "two rows have the same ID, which has to be unique by itself")
        }
        if case .some(.some(let status)) = bookings.statuses[bookingID], change.tagChange.to == nil {
            return (.unknownStatus, TicketResult.noTag(for: status))
        }
        return nil
    }

    /// The items for tickets from which somebody removed the booking's ID. They take away what we
    /// wrote for it.
    private func forgotten(_ readings: [TicketReading], _ caller: Caller) -> [Item] {
        readings.compactMap { reading in
            guard reading.ticket.text(of: settings.bookingIDField) == nil,
                let kept = settings.bookingVersionField.flatMap({ reading.ticket.text(of: $0) }).flatMap({ KeptVersion(text: $0) }),
                kept.tag != nil
            else { return nil }
            var change = TagChange(bookingID: kept.bookingID, from: .unknown, to: nil, version: kept.version, isFresh: false)
            change.source = .sweepWithoutBookingID
            return Item(change: pending(change, to: "none", caller), readings: [reading])
        }
    }

    /// Applies the changes to their tickets. Tries again where budget or time ran out, if the
    /// caller waits for it.
    private func submit(_ items: [Item], _ caller: Caller, _ report: inout SweepReport) async throws(SweepFailure) {
        var items = items
        for index in items.indices {
            let (putOff, open) = reported.divide(items[index].readings, time.now(), lastWrite: queue.lastWrite)
            for reading in putOff { report.add(TicketResult(ticket: reading.ticket.id, outcome: .rejected), isRepair: false) }
            items[index].readings = open
        }
        items.removeAll(where: \.readings.isEmpty)
        var stillstands = 0
        while !items.isEmpty {
            let outcome: SubmissionOutcome
            do {
                outcome = try await queue.submit(items.map { ($0.change, $0.readings) }, before: caller.callDeadline(time))
            } catch {
                throw SweepFailure(BookingSourceError("\(error)", needsPerson: true))
            }
            var left: [Item] = []
            var refusal = outcome.refusal
            for (item, results) in zip(items, outcome.results) {
                var open = item.readings
                for result in results ?? [] {
                    guard let index = open.firstIndex(where: { $0.ticket.id == result.ticket }) else { continue }
                    if result.isRefusal {
                        refusal = refusal ?? result
                        continue
                    }
                    report.add(result, isRepair: isRepair(item.change, open[index]))
                    if result.outcome.isDone { settled.note(open[index], now: time.secondsSince1970()) }
                    reported.note(result, time.now())
                    open.remove(at: index)
                }
                if !open.isEmpty { left.append(Item(change: item.change, readings: open)) }
            }
            stillstands = left.count < items.count ? 0 : stillstands + 1
            items = left
            guard !items.isEmpty else { return }
            let wait = refusal?.retryAfter ?? .seconds(1)
            guard caller.priority > .low, wait < caller.deadline.remaining, stillstands < Self.maximumStillstands else {
                return report.stop(refusal, tickets: items.reduce(0) { $0 + $1.readings.count })
            }
            do throws(ZendeskError) {
                try await time.pause(wait)
            } catch {
                throw SweepFailure(error)
            }
        }
    }

    /// Whether a write repairs the effect of a lost change. A deleted booking does not count,
    /// because the stream may leave out deletions.
    private func isRepair(_ change: PendingChange, _ reading: TicketReading) -> Bool {
        change.tagChange.source == .sweep && settings.state(of: reading.ticket, latest: .infinity).kept != nil
    }
}

extension BookingReading {
    /// The reading's version, cut to a whole millisecond. The reading contains everything up to
    /// that millisecond, and perhaps later commits within it. Rounded up, the version would claim
    /// to contain all of them.
    fileprivate var version: BookingVersion {
        let time = CommitTimestamp(seconds: readTimestamp.seconds, nanoseconds: readTimestamp.nanoseconds, precision: .milliseconds)
        return BookingVersion(commitTimestamp: time, recordSequence: "0", transactionID: "sweep")
    }
}
