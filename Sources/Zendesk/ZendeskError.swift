/// Why Zendesk did not do what it was asked, sorted by what a caller can do about it.
package struct ZendeskError: Error, Equatable {
    package var kind: Kind
    /// The HTTP status, where there was an answer.
    package var status: Int?
    /// How long Zendesk asked to wait.
    package var retryAfter: Duration?
    /// What happened, for a person to read. It holds no token and nothing of a ticket's content.
    package var detail: String

    package enum Kind: Equatable, Sendable {
        /// The ticket has changed since it was read, or two updates collided: read it again and
        /// decide again.
        case conflict
        /// There is no such ticket (any more).
        case notFound
        /// A limit is used up: nothing that it covers will be done before
        /// ``ZendeskError/retryAfter``.
        case limited(Limit)
        /// As many jobs are queued or running as the account may have.
        case tooManyJobs
        /// Zendesk is down or in maintenance, or cannot be reached; nothing was changed.
        case unavailable
        /// The deadline leaves no time for the call.
        case timeIsUp
        /// The request may have had its effect: read before anything else.
        case outcomeUnknown
        /// The token, its owner's rights, the URL or a field is not as it has to be; a person has
        /// to mend it.
        case misconfigured
        /// The request can never succeed as it is.
        case rejected
        /// The task was cancelled.
        case cancelled
    }

    /// What a 429 covers.
    package enum Limit: Equatable, Sendable {
        /// The account's requests a minute.
        case account
        /// The account's ticket updates a minute.
        case ticketUpdates
        /// The account's searches a minute.
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

    /// Whether the same request can succeed at another time.
    package var canSucceedLater: Bool {
        switch kind {
        case .conflict, .limited, .tooManyJobs, .unavailable, .timeIsUp, .outcomeUnknown, .misconfigured, .cancelled: true
        case .notFound, .rejected: false
        }
    }
}

extension ZendeskError: CustomStringConvertible {
    package var description: String { detail }
}
