import Support
import Zendesk

/// The result of a change on one ticket.
struct TicketResult: Equatable, Sendable {
    /// Nil if the change reached no ticket.
    var ticket: Int?
    var outcome: Outcome
    /// The reason, if the outcome alone does not tell.
    var reason: String?
    /// How long to wait before a retry, if that is known.
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

extension TicketResult {
    init(_ failure: SweepFailure, ticket: Int) {
        self.init(ticket: ticket, outcome: .deferred, reason: failure.description, retryAfter: failure.retryAfter)
        needsPerson = failure.needsPerson
    }
}
