import FoundationEssentials
import FunctionRuntime
import Logging
import SpannerChangeStreams
import Support
import Zendesk

/// Compares tickets with their bookings, and corrects them. It reads the bookings that the tickets
/// name, and applies each status by the same rules as a change.
///
/// It covers tickets that no change reaches: a ticket opened after its booking's last change, a
/// follow-up with an old ticket's values, a corrected booking ID, a lost change. It reads every
/// ticket, and never relies on a search result's values.
struct Sweep: Sendable {
    let zendesk: ZendeskClient
    let settler: BookingSettler
    let bookings: any BookingSource
    let settings: BookingStatusSettings
    let time: TimeSource
    /// Maximum pages of the minute sweep's pass, of a hundred tickets each.
    let maximumPages: Int
    let reported = ReportedTickets()
    let failing = FailingTickets()
    let settled = SettledTickets()
    let clearing: ClearGuard
    let newTickets: NewTickets

    private static let idsInAQuery = 100
    /// Maximum restarts of an export at the same place.
    private static let maximumRestarts = 3
    /// Maximum tries of a sweep job without progress on a page.
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
        enum Kind: Sendable {
            /// The schedule's, beside live changes.
            case minute
            /// A job, which waits until the budgets have room again. Any other stops, and is
            /// continued by the next sweep or delivery.
            case all
            /// A new ticket's.
            case ticket
        }

        let kind: Kind
        /// Appears in the audit of each write.
        var id: String
        var options: CallOptions
        var logger: Logger

        /// As in a message's attribute.
        var task: String { kind == .ticket ? "ticket" : "sweep" }

        /// For the calls of one page, whose deadline is earlier, so that a sweep job notices when it
        /// is stuck.
        func page(_ time: TimeSource) -> CallOptions {
            CallOptions(options.priority, before: Deadline(after: min(options.deadline.remaining, .seconds(600)), time))
        }

        /// Whether the sweep ends here and the next one continues.
        func stops(at error: ZendeskError) -> Bool {
            switch error.kind {
            case .limited, .timeIsUp, .unavailable: kind != .all
            default: false
            }
        }
    }

    /// - Parameters:
    ///   - progress: called after each page of tickets with the report so far.
    /// - Returns: the report, including `start`.
    /// - Throws: ``SweepFailure`` if the sweep cannot continue. Completed writes stay.
    func run(
        _ scope: Scope,
        _ caller: Caller,
        into start: SweepReport = SweepReport(),
        progress: (SweepReport) -> Void = { _ in }
    ) async throws(SweepFailure) -> SweepReport {
        let first = scope
        var (scope, report, restarts) = (scope, start, 0)
        var position = ExportPosition()
        while true {
            let page: (tickets: [(id: Int, createdAt: Int64?)], next: String?)
            let options = caller.page(time)
            do throws(ZendeskError) {
                guard let search = search(scope) else { return report }
                try await zendesk.expectFields(settings, options)
                page = try await zendesk.exportedTickets(search, after: position.cursor, options)
            } catch {
                if caller.stops(at: error) { return report.stopped(by: error) }
                // A cursor expires after an hour. Without it, the export continues at the last
                // ticket's creation.
                guard error.kind == .rejected, position.cursor != nil, restarts < Self.maximumRestarts else { throw SweepFailure(error) }
                (position, restarts) = (ExportPosition(), restarts + 1)
                if case .createdFrom = scope { scope = report.seenUpTo.map { .createdFrom($0) } ?? first }
                continue
            }
            let readings = try await read(page.tickets.map(\.id), caller, options, &report)
            if !report.isStopped { try await settle(readings.filter { !$0.ticket.isClosed }, scope, caller, &report) }
            if report.isStopped { return report }
            if scope != .withoutBookingID { report.saw(page.tickets.map(\.createdAt)) }
            progress(report)
            restarts = 0
            do throws(ZendeskError) {
                guard try position.advance(to: page.next) else { return report }
            } catch {
                throw SweepFailure(error)
            }
        }
    }

    /// Reads tickets. One that cannot be read is counted and stepped over.
    func read(
        _ tickets: [Int],
        _ caller: Caller,
        _ options: CallOptions,
        _ report: inout SweepReport
    ) async throws(SweepFailure) -> [TicketReading] {
        let found = await settler.read(tickets, options)
        var readings: [TicketReading] = []
        var failures: [(ticket: Int, error: ZendeskError)] = []
        for ticket in tickets {
            switch found[ticket]! {
            case .success(let reading?): readings.append(reading)
            case .success(nil): failing.forget(ticket)
            case .failure(let error): failures.append((ticket, error))
            }
        }
        // If none can be read, the tickets are not at fault, unless all have failed before.
        let areAllNew = readings.isEmpty && !failures.allSatisfy { failing.contains($0.ticket) }
        for (ticket, error) in failures where error.mayConcernOneItem { failing.note(ticket, time.now()) }
        if let error = failures.first(where: { !$0.error.mayConcernOneItem || areAllNew })?.error {
            guard caller.stops(at: error) else { throw SweepFailure(error) }
            report = report.stopped(by: error)
            return []
        }
        for (ticket, error) in failures { report.addUnreadable(ticket, error) }
        return readings
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
        var change: BookingChange
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
        // A page may list a ticket twice.
        var seen: Set<Int> = []
        for reading in readings where seen.insert(reading.ticket.id).inserted {
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
                bookings = try await self.bookings.read(chunk.map(\.bookingID).sorted(), deadline: caller.options.deadline)
            } catch {
                throw SweepFailure(error)
            }
            try await settle(chunk, bookings, caller, &report)
            if report.isStopped { return }
        }
    }

    /// Applies the statuses of bookings, as they were read, to the tickets that name them.
    func settle(
        _ named: some Sequence<(bookingID: String, readings: [TicketReading])>,
        _ bookings: BookingReading,
        _ caller: Caller,
        _ report: inout SweepReport
    ) async throws(SweepFailure) {
        let kept = named.filter { $0.readings.contains { isOurs($0) } }
        let suspicion = clearing.note(kept.map { ($0.bookingID, bookings.statuses[$0.bookingID] == nil) }, time.now())
        if let suspicion { hold(suspicion, caller) }
        // The IDs that Spanner has, and those that it does not have.
        let causes = [true, false].map { cause(bookings.version, $0 ? .sweep : .sweepWithoutBooking, caller) }
        var items: [Item] = []
        for (bookingID, readings) in named {
            let status = bookings.statuses[bookingID]
            if suspicion != nil, status == nil {
                report.held += readings.count
                continue
            }
            let to = (status ?? nil).map { BookingStatus(name: $0, tag: settings.tags[$0]) }
            let change = BookingChange(bookingID: bookingID, from: .unknown, to: to, cause: causes[status == nil ? 1 : 0])
            if let hopeless = hopeless(change, bookings) {
                for reading in readings {
                    let result = TicketResult(ticket: reading.ticket.id, outcome: hopeless.outcome, reason: hopeless.reason)
                    change.log(result)
                    report.add(result, isRepair: false)
                    failing.forget(reading.ticket.id)
                }
            } else {
                items.append(Item(change: change, readings: readings))
            }
        }
        try await submit(items, caller, &report)
    }

    /// Whether the ticket shows a status that we wrote.
    private func isOurs(_ reading: TicketReading) -> Bool {
        settings.state(of: reading.ticket, latest: time.secondsSince1970() + BookingStatusHandler.maximumClockDifference).kept?.tag != nil
    }

    private func hold(_ share: ClearGuard.Share, _ caller: Caller) {
        caller.logger.error(
            "sweep",
            metadata: [
                "outcome": "clears_held", "looked_up": .stringConvertible(share.lookedUp), "absent": .stringConvertible(share.absent),
                "reason": """
                \(share.absent) of \(share.lookedUp) bookings are not in the database, and no ticket is cleared: check \
                SPANNER_DATABASE and BOOKING_TABLE; if the bookings were deleted on purpose, set SWEEP_MAY_CLEAR=true
                """,
            ]
        )
    }

    private func cause(_ version: BookingVersion, _ source: ChangeCause.Source, _ caller: Caller) -> ChangeCause {
        ChangeCause(
            version: version,
            isFresh: false,
            source: source,
            eventID: caller.id,
            logger: caller.logger,
            level: caller.options.priority.level,
            task: caller.task,
            reported: caller.kind == .ticket ? nil : reported
        )
    }

    private func hopeless(_ change: BookingChange, _ bookings: BookingReading) -> (outcome: Outcome, reason: String)? {
        if bookings.ambiguous.contains(change.bookingID) {
            return (.ambiguousBooking, "two rows have the same ID, which has to be unique by itself")
        }
        return change.hasTag ? nil : (.unknownStatus, TicketResult.noTag(for: change.to?.name ?? ""))
    }

    /// Items for tickets from which somebody removed the booking's ID. They clear what we wrote for
    /// it.
    private func forgotten(_ readings: [TicketReading], _ caller: Caller) -> [Item] {
        var seen: Set<Int> = []
        return readings.compactMap { reading in
            guard seen.insert(reading.ticket.id).inserted, reading.ticket.text(of: settings.bookingIDField) == nil,
                let kept = settings.kept(on: reading.ticket), kept.tag != nil
            else { return nil }
            let cause = cause(kept.version, .sweepWithoutBookingID, caller)
            return Item(change: BookingChange(bookingID: kept.bookingID, from: .unknown, to: nil, cause: cause), readings: [reading])
        }
    }

    /// Applies the changes to their tickets. Tries again where budget or time ran out, if the
    /// caller waits for it.
    private func submit(_ items: [Item], _ caller: Caller, _ report: inout SweepReport) async throws(SweepFailure) {
        var items = items
        var stillstands = 0
        while !items.isEmpty {
            let outcome: SubmissionOutcome
            do {
                outcome = try await settler.submit(
                    items.map(\.change),
                    readings: items.map(\.readings),
                    before: caller.page(time).deadline
                )
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
                    if result.outcome.isDone {
                        settled.note(open[index], now: time.secondsSince1970())
                        failing.forget(open[index].ticket.id)
                    } else if caller.kind != .ticket {
                        // The sweep is the net beneath a new ticket's message.
                        failing.note(open[index].ticket.id, time.now())
                    }
                    open.remove(at: index)
                }
                if !open.isEmpty { left.append(Item(change: item.change, readings: open)) }
            }
            stillstands = left.count < items.count ? 0 : stillstands + 1
            items = left
            guard !items.isEmpty else { return }
            let wait = refusal?.retryAfter ?? .seconds(1)
            guard caller.kind == .all, wait < caller.options.deadline.remaining, stillstands < Self.maximumStillstands
            else {
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
    private func isRepair(_ change: BookingChange, _ reading: TicketReading) -> Bool {
        change.source == .sweep && settings.state(of: reading.ticket, latest: .infinity).kept != nil
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
