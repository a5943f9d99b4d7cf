package import BookingStatusSync
import Zendesk

/// What an account says of itself; what it refused to say is a failure, and a finding of its own.
struct AccountFacts: Sendable {
    typealias Answer<Value> = Result<Value, ZendeskError>

    var user: Answer<UserDefinition>
    var token: Answer<TokenDefinition>
    var fields: Answer<[TicketFieldDefinition]>
    var triggers: Answer<[TriggerDefinition]>
    var forms: Answer<[TicketFormDefinition]>
    /// The account's clock and limits, from the headers of an answer.
    var clockSkew: Double?
    var requestsPerMinute: Int?
    /// What became of an update with an outdated stamp; nil where no ticket was named to try it on.
    var safeUpdate: SafeUpdateTrial?

    struct SafeUpdateTrial: Equatable, Sendable {
        var result: Result
        /// The account's ticket updates a minute, where the answer told.
        var updatesPerMinute: Int?

        enum Result: Equatable, Sendable {
            /// Refused with 409, as it should be.
            case honoured
            /// Taken all the same.
            case ignored
            case failed(ZendeskError)
        }

        init(_ result: Result, updatesPerMinute: Int? = nil) {
            self.result = result
            self.updatesPerMinute = updatesPerMinute
        }
    }
}

/// What the function would be started with, as far as an account can contradict it.
package struct CheckedSettings: Sendable {
    package var bookingStatus: BookingStatusSettings
    package var wanted: WantedAccount
    package var readsPerMinute: Int
    package var writesPerMinute: Int

    package init(bookingStatus: BookingStatusSettings, wanted: WantedAccount, readsPerMinute: Int, writesPerMinute: Int) {
        self.bookingStatus = bookingStatus
        self.wanted = wanted
        self.readsPerMinute = readsPerMinute
        self.writesPerMinute = writesPerMinute
    }
}
