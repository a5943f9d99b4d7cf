/// A failed call to Zendesk, classified by what a caller can do about it.
package struct ZendeskError: Error, Equatable {
    package var kind: Kind
    /// The HTTP status, if there was an answer.
    package var status: Int?
    /// How long Zendesk asked to wait.
    package var retryAfter: Duration?
    /// A description for people. It contains no token and no ticket content.
    package var detail: String

    package enum Kind: Equatable, Sendable {
        /// The ticket has changed since it was read, or two updates collided: read it again and
        /// decide again.
        case conflict
        /// The ticket does not exist, or no longer exists.
        case notFound
        /// A limit is used up. Nothing that it covers will succeed before
        /// ``ZendeskError/retryAfter``.
        case limited(Limit)
        /// The account's limit of queued and running jobs is reached.
        case tooManyJobs
        /// Zendesk is down or in maintenance, or cannot be reached; nothing was changed.
        case unavailable
        /// Search omits tickets that exist, so an empty result proves nothing.
        case searchIsBlind
        /// The deadline leaves no time for the call.
        case timeIsUp
        /// The request may have taken effect. Read the ticket before anything else.
        case outcomeUnknown
        /// The token, its owner's permissions, the URL or a field is wrong. A person has to fix it.
        case misconfigured
        /// The request can never succeed as it is.
        case rejected
        /// The task was cancelled.
        case cancelled
    }

    /// What a 429 covers.
    package enum Limit: Equatable, Sendable {
        /// The account's requests per minute.
        case account
        /// The account's ticket updates per minute.
        case ticketUpdates
        /// The account's searches per minute.
        case search
        /// The updates of one ticket.
        case ticket
    }

    package init(_ kind: Kind, status: Int? = nil, retryAfter: Duration? = nil, _ detail: String) {
        self.kind = kind
        self.status = status
        self.retryAfter = retryAfter
        self.detail = detail
    }

    /// Whether the same request can succeed later.
    package var canSucceedLater: Bool {
        switch kind {
        case .conflict, .limited, .tooManyJobs, .unavailable, .searchIsBlind, .timeIsUp, .outcomeUnknown, .misconfigured, .cancelled: true
        case .notFound, .rejected: false
        }
    }

    /// Whether one item may have made a call for several fail: a timeout, a 5xx without
    /// Retry-After, an answer too large or damaged, or a refusal.
    package var mayConcernOneItem: Bool {
        switch kind {
        case .unavailable: retryAfter == nil
        case .rejected: true
        case .misconfigured: status == 403
        default: false
        }
    }
}

extension ZendeskError: CustomStringConvertible {
    package var description: String { detail }
}
