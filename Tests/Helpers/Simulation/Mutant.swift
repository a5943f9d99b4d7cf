import BookingStatusSync
import Logging
import Zendesk

/// A deliberate mistake that the test wraps around the product. The simulation must notice each
/// one.
package enum Mutant: String, CaseIterable, Sendable {
    case noVersions = "no-versions"
    case noSafeUpdate = "no-safe-update"
    case youngStampsTrusted = "young-stamps-trusted"
    case decidesOnSearchHits = "decides-on-search-hits"
    case ordersByPublishTime = "orders-by-publish-time"
    case rowSevenWithoutConditions = "row-7-without-conditions"
    case noWaiting = "no-waiting"
    case noExactComparison = "no-exact-comparison"
    case repeatsTimedOutUpdates = "repeats-timed-out-updates"
    case droppedTagTakenForSuccess = "dropped-tag-taken-for-success"
    case comparesAtFinerPrecision = "compares-at-finer-precision"
    case readTimestampRoundedUp = "read-timestamp-rounded-up"
    case sweepWithoutVersions = "sweep-without-versions"
    case sweepTrustsSearch = "sweep-trusts-search"
    case sweepOfEmptyFieldsOnly = "sweep-of-empty-fields-only"
    case sweepWritesVersionsEverywhere = "sweep-writes-versions-everywhere"
    // Mistakes that an earlier checker missed
    case tokensRepeated = "tokens-repeated"
    case takesBackTooMuch = "takes-back-too-much"
    case earlierStatusTakenForExpected = "earlier-status-taken-for-expected"
    case oneLineABooking = "one-line-a-booking"
    case garbledTicketForgotten = "garbled-ticket-forgotten"
    case takeBackLost = "take-back-lost"
    // Mistakes in new rules
    case unknownTakenForNone = "unknown-taken-for-none"
    case versionStaysWithoutOldValues = "version-stays-without-old-values"

    case handEditKeepsVersion = "hand-edit-keeps-version"
    case dryRunWrites = "dry-run-writes"

    // Mistakes about shared calls
    case badTicketFailsPage = "bad-ticket-fails-page"
    case unprovenTakenForWhole = "unproven-search-taken-for-whole"
    case emptySearchBelieved = "empty-search-believed"
    case oneWitness = "one-witness"
    case witnessByID = "witness-by-id"
    case jobBelieved = "job-believed"
    case jobWithoutStamps = "job-without-stamps"
    case ticketInTwoJobs = "ticket-in-two-jobs"
    case lateJobOverNewerWrite = "late-job-over-newer-write"
    case parkedNeverWoken = "parked-never-woken"

    // Mistakes about new tickets
    case newTicketTakenForGone = "new-ticket-taken-for-gone"
    case newTicketOverwrites = "new-ticket-overwrites"

    var concernsNewTickets: Bool { self == .newTicketTakenForGone || self == .newTicketOverwrites }

    /// The number of seeds within which it must be noticed.
    package static let seeds = 3000

    /// The rules without a mistake.
    static let none: Rule = { ticket, change, keepsVersions in decide(ticket, change, keepsVersions: keepsVersions) }

    /// The rules, with the mutant's mistake if it is in the rules.
    func rule(_ history: History) -> Rule {
        switch self {
        case .rowSevenWithoutConditions:
            { ticket, change, keepsVersions in
                let decision = decide(ticket, change, keepsVersions: keepsVersions)
                return decision.isUnexpected && ticket.tag != nil && ticket.kept != nil ? .write(.updated) : decision
            }
        case .noWaiting:
            { ticket, change, keepsVersions in
                let cause = ChangeCause(
                    version: change.version,
                    isFresh: false,
                    source: change.source,
                    eventID: "",
                    logger: Logger(label: "")
                )
                let stale = BookingChange(bookingID: change.bookingID, from: change.from, to: change.to, cause: cause)
                return decide(ticket, stale, keepsVersions: keepsVersions)
            }
        case .noExactComparison:
            { ticket, change, keepsVersions in
                var ticket = ticket
                ticket.bookingID = change.bookingID
                return decide(ticket, change, keepsVersions: keepsVersions)
            }
        case .sweepWithoutVersions:
            { ticket, change, keepsVersions in decide(ticket, change, keepsVersions: keepsVersions && change.source == .stream) }
        case .sweepWritesVersionsEverywhere:
            { ticket, change, keepsVersions in
                let decision = decide(ticket, change, keepsVersions: keepsVersions)
                return change.source == .sweep && decision == .skip(.unchanged) ? .writeVersion(.unchanged) : decision
            }
        case .earlierStatusTakenForExpected:
            { ticket, change, keepsVersions in
                let decision = decide(ticket, change, keepsVersions: keepsVersions)
                guard decision.isUnexpected, change.source == .stream, let tag = ticket.tag else { return decision }
                let position = history.position(change.version, change.bookingID)
                let earlier = history.commits[change.bookingID]?.prefix(position + 1) ?? []
                return earlier.contains { History.tag($0.from) == tag } ? .write(.updated) : decision
            }
        case .unknownTakenForNone:
            { ticket, change, keepsVersions in
                let isUnknown = change.source == .stream && change.from == .unknown
                let from = isUnknown ? FormerStatus.none : change.from
                let known = BookingChange(bookingID: change.bookingID, from: from, to: change.to, cause: change.cause)
                return decide(ticket, known, keepsVersions: keepsVersions)
            }
        case .versionStaysWithoutOldValues:
            { ticket, change, keepsVersions in
                let decision = decide(ticket, change, keepsVersions: keepsVersions)
                guard case .writeVersion(let outcome) = decision, change.from == .unknown, ticket.kept != nil else { return decision }
                return .skip(outcome)
            }
        case .handEditKeepsVersion:
            { ticket, change, keepsVersions in
                let decision = decide(ticket, change, keepsVersions: keepsVersions)
                return decision == .writeVersion(.unexpectedStatus) && ticket.tag != nil ? .skip(.unexpectedStatus) : decision
            }
        case .newTicketOverwrites:
            { ticket, change, keepsVersions in
                let decision = decide(ticket, change, keepsVersions: keepsVersions)
                return decision.isUnexpected && change.cause.task == "ticket" ? .write(.updated) : decision
            }
        default: Self.none
        }
    }
}

extension Decision {
    /// Whether a person's status stays.
    fileprivate var isUnexpected: Bool { self == .skip(.unexpectedStatus) || self == .writeVersion(.unexpectedStatus) }
}
