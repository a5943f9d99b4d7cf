import Synchronization
import Zendesk

/// The outcomes that sweeps have already logged, so that none is logged twice, and the tickets that
/// sweeps skip for a day.
final class ReportedTickets: Sendable {
    private struct Report: Hashable {
        let ticket: Int
        let bookingID: String
        let outcome: Outcome
    }

    private let reports = Mutex<Set<Report>>([])
    /// Tickets that Zendesk refuses to update, and when it did.
    private let refusals = Mutex<[Int: Duration]>([:])
    private static let maximum = 20_000
    private static let day = Duration.seconds(86_400)

    /// Whether to log this result. A ticket's lasting state is logged only once.
    func isNew(_ ticket: Int, _ bookingID: String, _ result: TicketResult) -> Bool {
        let outcome = result.outcome
        guard outcome.verdict == .never || outcome == .unknownBooking || outcome == .unexpectedStatus || result.needsPerson else {
            return true
        }
        return reports.withLock { reports in
            if reports.count >= Self.maximum { reports = [] }
            return reports.insert(Report(ticket: ticket, bookingID: bookingID, outcome: outcome)).inserted
        }
    }

    /// Records that Zendesk refused to update a ticket.
    func note(_ result: TicketResult, _ now: Duration) {
        guard result.concernsTicket, let ticket = result.ticket else { return }
        refusals.withLock { refusals in
            if refusals.count >= Self.maximum { refusals = refusals.filter { now - $0.value < Self.day } }
            refusals[ticket] = now
        }
    }

    /// Separates the tickets to skip from the others. A ticket that Zendesk refuses to update is
    /// tried once a day. If no ticket at all could be updated for a day, the account is at fault.
    /// Then no ticket is skipped, so that all are updated once that is fixed.
    func divide(
        _ readings: [TicketReading],
        _ now: Duration,
        lastWrite: Duration?
    ) -> (putOff: [TicketReading], open: [TicketReading]) {
        guard let lastWrite, now - lastWrite < Self.day else { return ([], readings) }
        let refusals = refusals.withLock { $0 }
        let putOff = readings.filter { reading in refusals[reading.ticket.id].map { now - $0 < Self.day } ?? false }
        return (putOff, readings.filter { !putOff.contains($0) })
    }
}
