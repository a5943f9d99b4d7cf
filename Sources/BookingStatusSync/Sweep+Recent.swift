import Synchronization
import Support
import Zendesk

extension Sweep {
    /// Maximum pages per pass, of a hundred tickets each.
    private static let maximumPages = 30

    /// The result of a pass over recently updated tickets.
    struct Pass {
        var report: SweepReport
        /// The `Date` of the first answer, in seconds since 1970. Later updates belong to the next
        /// pass.
        var begin: Int64?
        /// Whether it reached the tickets that were last updated before the window.
        var isComplete = false
    }

    /// Sweeps the unsolved tickets that were updated at or after a time, latest first. It reads the
    /// database's own list, because search shows a new ticket only minutes later.
    ///
    /// - Parameter start: seconds since 1970.
    /// - Throws: ``SweepFailure`` if the sweep cannot continue.
    func runRecent(from start: Int64, _ caller: Caller) async throws(SweepFailure) -> Pass {
        var pass = Pass(report: SweepReport())
        var cursor: String?
        for _ in 0..<Self.maximumPages {
            let page: TicketPage
            let open: [TicketReading]
            do throws(ZendeskError) {
                let deadline = caller.callDeadline(time)
                page = try await desk.zendesk.ticketsByUpdate(after: cursor, priority: caller.priority, deadline: deadline)
                if pass.begin == nil { pass.begin = page.readings.first?.readAt }
                // A hidden field would make every ticket look as if it named no booking.
                _ = try await desk.zendesk.field(settings.bookingIDField, accepts: nil, priority: caller.priority, deadline: deadline)
                open = try await unsettled(page, from: start, caller.priority, deadline)
            } catch {
                guard caller.stops(at: error) else { throw SweepFailure(error) }
                pass.report = pass.report.stopped(at: nil, error)
                return pass
            }
            if !open.isEmpty {
                try await settle(open, caller, &pass.report)
                if pass.report.isStopped { return pass }
            }
            guard let next = page.next, !isBehind(page, start) else {
                pass.isComplete = true
                return pass
            }
            cursor = next
        }
        return pass
    }

    private func settle(_ readings: [TicketReading], _ caller: Caller, _ report: inout SweepReport) async throws(SweepFailure) {
        do throws(ZendeskError) {
            try await desk.expectFields(priority: caller.priority, deadline: caller.callDeadline(time))
        } catch {
            guard caller.stops(at: error) else { throw SweepFailure(error) }
            report = report.stopped(at: nil, error)
            return
        }
        try await settleNamed(readings, caller, &report)
    }

    /// The tickets of a page that are not known to be correct.
    private func unsettled(
        _ page: TicketPage,
        from start: Int64,
        _ priority: CallPriority,
        _ deadline: Deadline
    ) async throws(ZendeskError) -> [TicketReading] {
        let recent = page.readings.filter { !$0.ticket.isSolved && updatedAt($0) >= start && !settled.contains($0) }
        let bare = recent.filter { page.withoutFields.contains($0.ticket.id) }.map(\.ticket.id)
        let read = try await desk.read(bare, priority: priority, deadline: deadline).compactMap(\.reading)
        return recent.filter { !page.withoutFields.contains($0.ticket.id) } + read.filter { !$0.ticket.isSolved }
    }

    private func updatedAt(_ reading: TicketReading) -> Int64 { RFC3339(reading.ticket.updatedStamp)?.seconds ?? .max }

    /// Whether all following tickets were updated before the time. False if the list is not in its
    /// order.
    private func isBehind(_ page: TicketPage, _ start: Int64) -> Bool {
        let times = page.readings.map(updatedAt)
        return zip(times, times.dropFirst()).allSatisfy { $0 >= $1 } && times.last.map { $0 < start } ?? true
    }
}

extension Ticket {
    fileprivate var isSolved: Bool { isClosed || status == "solved" }
}

/// Tickets that a sweep found to be correct, by the time of their last update. They are skipped
/// until they are updated again.
final class SettledTickets: Sendable {
    private let stamps = Mutex<[Int: String]>([:])
    private static let maximum = 20_000

    func contains(_ reading: TicketReading) -> Bool { stamps.withLock { $0[reading.ticket.id] == reading.ticket.updatedStamp } }

    /// - Parameter now: seconds since 1970. The ticket has to be old by both clocks. While search
    ///   may not show it, a change of its booking does not find it.
    func note(_ reading: TicketReading, now: Double) {
        guard let stamp = RFC3339(reading.ticket.updatedStamp)?.seconds, let readAt = reading.readAt,
            min(readAt, Int64(now)) >= stamp + SweepTurns.window
        else { return }
        stamps.withLock { stamps in
            if stamps.count >= Self.maximum { stamps = [:] }
            stamps[reading.ticket.id] = reading.ticket.updatedStamp
        }
    }
}
