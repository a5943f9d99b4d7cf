import Synchronization

/// The outcomes that sweeps have already logged, so that none is logged twice.
final class ReportedTickets: Sendable {
    private struct Report: Hashable {
        let ticket: Int
        let bookingID: String
        let outcome: Outcome
    }

    private let reports = Mutex<Set<Report>>([])
    private static let maximum = 20_000

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
}
