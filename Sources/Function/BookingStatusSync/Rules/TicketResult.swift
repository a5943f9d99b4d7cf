import FunctionRuntime
import Support
import Zendesk

/// The result of a change on one ticket.
struct TicketResult: Equatable, Sendable {
    /// Nil if the change reached no ticket.
    var ticket: Int?
    var outcome: Outcome
    /// The reason, if the outcome alone does not tell.
    var reason: String?
    /// When a retry makes sense, if that is known.
    var retryAfter: Duration?
    /// Whether a person has to fix something first, such as a wrong token.
    var needsPerson = false
    /// Whether budget or time ran out, or search is blind, so that the rest of the record would
    /// fail too.
    var isRefusal = false
    /// When the ticket showed the new status, in seconds since 1970.
    var writtenAt: Double?

    /// The reason of an ``Outcome/unknownStatus``.
    static func noTag(for status: String) -> String { "no tag is configured for the status \"\(status.forLog)\"" }
}

extension TicketResult {
    init(_ error: ZendeskError, ticket: Int?) {
        let outcome: Outcome =
            switch error.kind {
            case .conflict: .conflict
            case .searchIsBlind: .searchIsBlind
            case .notFound where ticket != nil: .gone
            default: error.canSucceedLater ? .deferred : .rejected
            }
        self.init(ticket: ticket, outcome: outcome, reason: error.description, retryAfter: error.retryAfter)
        needsPerson = error.kind == .misconfigured || error.kind == .searchIsBlind
        switch error.kind {
        case .limited(let limit): isRefusal = limit != .ticket
        case .timeIsUp, .cancelled, .searchIsBlind: isRefusal = true
        default: break
        }
    }
}

extension FunctionFailure {
    /// The failure of an event; nil if there is none. A hopeless outcome counts only when nothing
    /// is left to retry.
    ///
    /// - Parameter unbegun: how many changes were not started, and why.
    init?(_ results: [TicketResult], unbegun: (count: Int, refusal: TicketResult)?) {
        func summary(_ failed: [TicketResult], _ count: Int) -> String {
            let first = failed[0]
            let reason = first.reason.map { "\(first.outcome.rawValue): \($0)" } ?? first.outcome.rawValue
            return count == 1 ? reason : "\(reason) (and \(count - 1) more)"
        }
        let open = results.filter { $0.outcome.verdict == .tryAgain } + (unbegun.map { [$0.refusal] } ?? [])
        if !open.isEmpty {
            self = .tryAgain(
                after: open.compactMap(\.retryAfter).max() ?? .seconds(10),
                summary(open, open.count + max(0, (unbegun?.count ?? 0) - 1))
            )
            return
        }
        let hopeless = results.filter { $0.outcome.verdict == .never }
        guard !hopeless.isEmpty else { return nil }
        self = .unprocessable(summary(hopeless, hopeless.count))
    }
}
