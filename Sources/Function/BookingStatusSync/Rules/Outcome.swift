/// The result of a change on one ticket, or without any ticket.
package enum Outcome: String, CaseIterable, Sendable {
    /// The field had no value and now shows the new status.
    case added
    /// The field now shows the new status.
    case updated
    /// The field was emptied because the booking is gone.
    case cleared
    /// The ticket already showed the new status.
    case unchanged

    /// The ticket is closed.
    case closed
    /// Search found the ticket, but it belongs to another booking.
    case otherBooking = "other_booking"
    /// The ticket carries this version or a newer one.
    case stale
    /// Somebody set the status by hand.
    case unexpectedStatus = "unexpected_status"
    /// No ticket names the booking.
    case noTicket = "no_ticket"
    /// A new ticket names no booking.
    case noBookingID = "no_booking_id"
    /// The ticket has been deleted.
    case gone
    /// The change does not concern the booking's status.
    case notAStatusChange = "not_a_status_change"
    /// The change would have been written.
    case dryRun = "dry_run"
    /// A newer change of the booking was in flight and superseded this one.
    case superseded

    /// The previous change may still be on its way.
    case waiting
    /// The ticket kept changing during all attempts.
    case conflict
    /// Zendesk is busy or down, a limit is used up, or time ran out.
    case deferred
    /// The search does not show tickets that exist, so it cannot tell whether the booking has one.
    case searchIsBlind = "search_is_blind"

    /// No tag is configured for the status.
    case unknownStatus = "unknown_status"
    /// Zendesk dropped the tag: the drop-down has no such option.
    case tagNotAccepted = "tag_not_accepted"
    /// Zendesk will never take the change.
    case rejected
    /// The record is of a table that is neither the bookings' nor ignored.
    case otherTable = "other_table"
    /// Two rows have the booking's ID. It is unknown which one the ticket means.
    case ambiguousBooking = "ambiguous_booking"
    /// A ticket names a booking that Spanner does not have.
    case unknownBooking = "unknown_booking"

    package var isDone: Bool { verdict == .done }

    /// Whether the change is done, has to be retried, or is hopeless.
    var verdict: Verdict {
        switch self {
        case .added, .updated, .cleared, .unchanged, .closed, .otherBooking, .stale, .unexpectedStatus, .noTicket, .noBookingID, .gone,
            .notAStatusChange, .dryRun, .superseded, .unknownBooking:
            .done
        case .waiting, .conflict, .deferred, .searchIsBlind: .tryAgain
        case .unknownStatus, .tagNotAccepted, .rejected, .otherTable, .ambiguousBooking: .never
        }
    }

    enum Verdict { case done, tryAgain, never }
}
