import BookingStatusSync
import Zendesk

/// Zendesk's answers about an account. A refused answer is a failure, and a finding of its own.
struct AccountFacts: Sendable {
    typealias Answer<Value> = Result<Value, ZendeskError>

    var user: Answer<UserDefinition>
    var token: Answer<TokenDefinition>
    var fields: Answer<[TicketFieldDefinition]>
    var triggers: Answer<[TriggerDefinition]>
    var forms: Answer<[TicketFormDefinition]>
    /// The comparison of search with the list of tickets: nil if they agree, or why it is
    /// inconclusive.
    var index: Answer<ZendeskError?>?
    /// Whether the sweep can read the bookings; nil without a database.
    var database: Result<Void, BookingSourceError>?
    /// The webhook and its latest requests; nil if the command names none.
    var webhook: Answer<WebhookState?>?
    /// The account's clock and limits, from the headers of an answer.
    var clockSkew: Double?
    var requestsPerMinute: Int?
    /// The result of an update with an outdated stamp; nil if no ticket was named for it.
    var safeUpdate: SafeUpdateTrial?

    struct WebhookState: Equatable, Sendable {
        var webhook: WebhookDefinition
        /// Nil if they cannot be read.
        var invocations: [WebhookInvocation]?
    }

    struct SafeUpdateTrial: Equatable, Sendable {
        var result: Result
        /// The account's ticket updates per minute, if the answer reported them.
        var updatesPerMinute: Int?

        enum Result: Equatable, Sendable {
            /// Refused with 409, as it should be.
            case honoured
            /// Accepted nevertheless.
            case ignored
            case failed(ZendeskError)
        }

        init(_ result: Result, updatesPerMinute: Int? = nil) {
            self.result = result
            self.updatesPerMinute = updatesPerMinute
        }
    }
}

/// The function's settings that an account can contradict.
struct CheckedSettings: Sendable {
    var bookingStatus: BookingStatusSettings
    var wanted: WantedAccount
    var readsPerMinute: Int
    var writesPerMinute: Int

    init(bookingStatus: BookingStatusSettings, wanted: WantedAccount, readsPerMinute: Int, writesPerMinute: Int) {
        self.bookingStatus = bookingStatus
        self.wanted = wanted
        self.readsPerMinute = readsPerMinute
        self.writesPerMinute = writesPerMinute
    }
}
