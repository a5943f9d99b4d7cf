/// The facts about a ticket that the rules need.
package struct TicketState: Equatable, Sendable {
    package var isClosed: Bool
    package var bookingID: String?
    /// The tag that the status field shows.
    package var tag: String?
    /// Our last write; nil if no version is kept, or none that can be trusted.
    package var kept: KeptVersion?
    /// Whether the field shows what we wrote for another booking, which the ticket named before.
    package var isLeftover = false

    package init(isClosed: Bool = false, bookingID: String?, tag: String?, kept: KeptVersion? = nil) {
        self.isClosed = isClosed
        self.bookingID = bookingID
        self.tag = tag
        self.kept = kept
    }
}
