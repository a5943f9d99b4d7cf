/// What the rules have to know of a ticket.
package struct TicketState: Equatable, Sendable {
    package var isClosed: Bool
    package var bookingID: String?
    /// The tag that the status field shows.
    package var tag: String?
    /// What we wrote last; nil if no version is kept, or none that can be trusted.
    package var kept: KeptVersion?
    /// The field shows what we wrote for another booking, whose ID stood here before.
    package var isLeftover = false

    package init(isClosed: Bool = false, bookingID: String?, tag: String?, kept: KeptVersion? = nil) {
        self.isClosed = isClosed
        self.bookingID = bookingID
        self.tag = tag
        self.kept = kept
    }
}

/// A booking's old status, as a ticket can show it.
package enum FormerTag: Equatable, Sendable {
    case tag(String)
    /// It had no status, or did not exist.
    case none
    /// The record does not say.
    case unknown
    /// A status for which no tag is configured: no ticket can show it.
    case untagged
}

/// What the rules have to know of a change, its statuses translated to tags.
package struct TagChange: Equatable, Sendable {
    package var bookingID: String
    /// What the booking was before, as a ticket can show it.
    package var from: FormerTag
    /// Nil for "no status".
    package var to: String?
    package var version: BookingVersion
    /// The change before this one may still be on its way.
    package var isFresh: Bool
    package var source = Source.stream

    /// How we know of it.
    package enum Source: Sendable {
        /// A change record told us.
        case stream
        /// The booking was read: this is its status, whatever led there.
        case sweep
        /// The booking was looked for and is not there; it may have been deleted, or never have
        /// existed.
        case sweepWithoutBooking
        /// The ticket names no booking any more, and our version names this one.
        case sweepWithoutBookingID
    }

    package init(bookingID: String, from: FormerTag, to: String?, version: BookingVersion, isFresh: Bool) {
        self.bookingID = bookingID
        self.from = from
        self.to = to
        self.version = version
        self.isFresh = isFresh
    }
}

/// What to do with a ticket.
package enum Decision: Equatable, Sendable {
    /// Leave the ticket as it is.
    case skip(Outcome)
    /// Write tag and version; the outcome is what it will be called.
    case write(Outcome)
    /// The tag is right; write the newer version.
    case writeVersion(Outcome)
}

/// The rules of this system, row by row: the first that holds decides.
///
/// Rows 2, 4, 5, 6 and 9 are the talk's own logic. Rows 3, 7 and 8 need a version field: without
/// one they never hold.
///
/// A sweep knows what is, and not only what changed: it replaces also what we wrote for a booking
/// that the ticket does not name any more. It comes again and again, so it writes a version only
/// where there is none, and what a person emptied stays empty: there our own version names the very
/// status that the field does not show. Of a booking that is not there it takes back what we wrote,
/// and nothing else.
///
/// - Parameters:
///   - ticket: the ticket as it was read.
///   - change: the change of its booking.
///   - keepsVersions: whether a version field is configured.
package func decide(_ ticket: TicketState, _ change: TagChange, keepsVersions: Bool) -> Decision {
    // 1, 2
    if ticket.isClosed { return .skip(.closed) }
    if change.source == .sweepWithoutBookingID {
        return ticket.bookingID == nil && ticket.isLeftover ? .write(.cleared) : .skip(.otherBooking)
    }
    if ticket.bookingID != change.bookingID { return .skip(.otherBooking) }

    let kept = keepsVersions ? ticket.kept : nil
    let order = kept.map { $0.version.order(to: change.version) }
    // 3: done before, or overtaken.
    if order == .same || order == .newer { return .skip(.stale) }
    // 4: right already; a version that cannot be ordered is not a newer one.
    if ticket.tag == change.to {
        switch change.source {
        case .stream: return keepsVersions && order != .unordered ? .writeVersion(.unchanged) : .skip(.unchanged)
        case .sweep: return keepsVersions && kept == nil ? .writeVersion(.unchanged) : .skip(.unchanged)
        case .sweepWithoutBooking, .sweepWithoutBookingID: return .skip(.unknownBooking)
        }
    }
    let isOurs = (order == .older && ticket.tag == kept?.tag) || (change.source != .stream && ticket.isLeftover)
    if change.source == .sweepWithoutBooking { return isOurs ? .write(.cleared) : .skip(.unknownBooking) }

    let write = Decision.write(change.to == nil ? .cleared : ticket.tag == nil ? .added : .updated)
    // 5
    if ticket.tag == nil {
        guard change.from == .unknown || order == .unordered, let kept, kept.tag == change.to else { return write }
        // A person emptied it. The version moves all the same: without it an older change that
        // comes later would be written.
        return change.source == .stream && order == .older ? .writeVersion(.unexpectedStatus) : .skip(.unexpectedStatus)
    }
    // 6
    if let tag = ticket.tag, change.from == .tag(tag) { return write }
    // 7: nobody has touched what we wrote, we only missed a change in between.
    if isOurs { return write }
    // 8
    if keepsVersions, kept == nil, change.isFresh { return .skip(.waiting) }
    // 9
    return .skip(.unexpectedStatus)
}
