import FunctionRuntime

/// What became of a change on one ticket.
struct TicketResult: Sendable {
    /// Nil if it did not come to a ticket.
    var ticket: Int?
    var outcome: Outcome
    /// Why, where the outcome alone does not tell.
    var reason: String?
    /// When another try makes sense, where that is known.
    var retryAfter: Duration?
    /// Whether it will stay like this until a person mends something, as a wrong token.
    var needsPerson = false
    /// When the ticket showed the new status, in seconds since 1970.
    var writtenAt: Double?
}

extension FunctionFailure {
    /// How the event ends: a hopeless outcome waits until nothing is left to be tried again.
    init?(_ results: [TicketResult]) {
        func summary(_ failed: [TicketResult]) -> String {
            let first = failed[0]
            let reason = first.reason.map { "\(first.outcome.rawValue): \($0)" } ?? first.outcome.rawValue
            return failed.count == 1 ? reason : "\(reason) (and \(failed.count - 1) more)"
        }
        let open = results.filter { $0.outcome.verdict == .tryAgain }
        if !open.isEmpty {
            self = .tryAgain(after: open.compactMap(\.retryAfter).max() ?? .seconds(10), summary(open))
            return
        }
        let hopeless = results.filter { $0.outcome.verdict == .never }
        guard !hopeless.isEmpty else { return nil }
        self = .unprocessable(summary(hopeless))
    }
}
