/// Decides what one change does to one ticket. The first row that matches applies.
///
/// Rows 3, 7 and 8 need a version field and never match without one.
///
/// A sweep knows the current status, not only a change. It therefore also replaces what we wrote
/// for a booking that the ticket no longer names. It runs repeatedly, so it writes a version only
/// if there is none. A field that a person emptied stays empty: our own version then names the
/// status that the field lacks. For a booking that does not exist, a sweep only clears what we
/// wrote.
///
/// - Parameters:
///   - ticket: the ticket as it was read.
///   - change: the change of its booking.
///   - keepsVersions: whether a version field is configured.
package func decide(_ ticket: TicketState, _ change: BookingChange, keepsVersions: Bool) -> Decision {
    // 1, 2
    if ticket.isClosed { return .skip(.closed) }
    if change.source == .sweepWithoutBookingID {
        return ticket.bookingID == nil && ticket.isLeftover ? .write(.cleared) : .skip(.otherBooking)
    }
    if ticket.bookingID != change.bookingID { return .skip(.otherBooking) }

    let to = change.to?.tag
    let kept = keepsVersions ? ticket.kept : nil
    let order = kept.map { $0.version.order(to: change.version) }
    // 3: already done, or overtaken.
    if order == .same || order == .newer { return .skip(.stale) }
    // 4: already correct. A version that cannot be ordered is not a newer one.
    if ticket.tag == to {
        switch change.source {
        case .stream: return keepsVersions && order != .unordered ? .writeVersion(.unchanged) : .skip(.unchanged)
        case .sweep: return keepsVersions && kept == nil ? .writeVersion(.unchanged) : .skip(.unchanged)
        case .sweepWithoutBooking, .sweepWithoutBookingID: return .skip(.unknownBooking)
        }
    }
    let isOurs = (order == .older && ticket.tag == kept?.tag) || (change.source != .stream && ticket.isLeftover)
    if change.source == .sweepWithoutBooking { return isOurs ? .write(.cleared) : .skip(.unknownBooking) }

    let write = Decision.write(to == nil ? .cleared : ticket.tag == nil ? .added : .updated)
    // 5
    if ticket.tag == nil {
        guard change.from == .unknown || order == .unordered, let kept, kept.tag == to else { return write }
        // A person emptied it. The version is still written, or an older change that arrives later
        // would fill the field.
        return change.source == .stream && order == .older ? .writeVersion(.unexpectedStatus) : .skip(.unexpectedStatus)
    }
    // 6
    if change.from.tag == ticket.tag { return write }
    // 7: what we wrote is untouched, and we only missed a change in between.
    if isOurs { return write }
    // 8
    if keepsVersions, kept == nil, change.isFresh { return .skip(.waiting) }
    // 9: a person's status stays. The newer version protects it from older changes.
    return change.source == .stream && order == .older ? .writeVersion(.unexpectedStatus) : .skip(.unexpectedStatus)
}
