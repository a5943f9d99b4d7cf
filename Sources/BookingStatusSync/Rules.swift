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

/// A booking's old status, as a ticket can show it.
package enum FormerTag: Equatable, Sendable {
    case tag(String)
    /// The booking had no status or did not exist.
    case none
    /// The record does not say.
    case unknown
    /// A status for which no tag is configured: no ticket can show it.
    case untagged
}

/// The facts about a change that the rules need, with its statuses translated to tags.
package struct TagChange: Equatable, Sendable {
    package var bookingID: String
    /// The old status, as a ticket can show it.
    package var from: FormerTag
    /// Nil for "no status".
    package var to: String?
    package var version: BookingVersion
    /// Whether the previous change may still be on its way.
    package var isFresh: Bool
    package var source = Source.stream

    /// The source of the change.
    package enum Source: Sendable {
        /// A change record.
        case stream
        /// A reading of the booking. It shows the current status, not how it came about.
        case sweep
        /// The booking was not found. It may have been deleted, or may never have existed.
        case sweepWithoutBooking
        /// The ticket no longer names a booking, but our version names this one.
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
    /// Write tag and version, and report this outcome.
    case write(Outcome)
    /// The tag is right; write the newer version.
    case writeVersion(Outcome)
}

/// Applies the rules of this system. The first row that matches decides.
///
/// Rows 3, 7 and 8 need a version field and never match without one.
///
/// A sweep knows the current status, not only a change. So it also replaces what we wrote for a
/// booking that the ticket no longer names. It runs again and again, so it writes a version only if
/// there is none. A field that a person emptied stays empty: there our own version names the very
/// status that the field does not show. For a booking that does not exist, a sweep takes back what
/// we wrote and does nothing else.
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
    // 3: already done, or overtaken.
    if order == .same || order == .newer { return .skip(.stale) }
    // 4: already correct. A version that cannot be ordered is not a newer one.
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
        // A person emptied it. The version is still written. Without it, an older change that
        // arrives later would be written.
        return change.source == .stream && order == .older ? .writeVersion(.unexpectedStatus) : .skip(.unexpectedStatus)
    }
    // 6
    if let tag = ticket.tag, change.from == .tag(tag) { return write }
    // 7: what we wrote is untouched, and we only missed a change in between.
    if isOurs { return write }
    // 8
    if keepsVersions, kept == nil, change.isFresh { return .skip(.waiting) }
    // 9
    return .skip(.unexpectedStatus)
}
