import SpannerChangeStreams
import Zendesk

extension BookingStatusSettings {
    /// Our last write, as the version field tells it; nil if there is none, or none that can be read.
    func kept(on ticket: Ticket) -> KeptVersion? {
        bookingVersionField.flatMap { ticket.text(of: $0) }.flatMap { KeptVersion(text: $0) }
    }

    /// The facts about the ticket that the rules need.
    ///
    /// - Parameter latest: the latest valid version, in seconds since 1970. We did not write a
    ///   later one, so it counts as none.
    func state(of ticket: Ticket, latest: Double) -> TicketState {
        let bookingID = ticket.text(of: bookingIDField)
        let tag = ticket.text(of: bookingStatusField)
        let kept = kept(on: ticket)
        var state = TicketState(isClosed: ticket.isClosed, bookingID: bookingID, tag: tag)
        guard let kept, kept.version.commitTimestamp.secondsSince1970 <= latest else { return state }
        if kept.bookingID == bookingID { state.kept = kept } else { state.isLeftover = kept.tag == tag && tag != nil }
        return state
    }
}
