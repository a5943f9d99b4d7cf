/// The rule for one change on one ticket: ``decide(_:_:keepsVersions:)``, unless a test injects
/// another.
package typealias Rule = @Sendable (_ ticket: TicketState, _ change: BookingChange, _ keepsVersions: Bool) -> Decision

/// What to do with a ticket.
package enum Decision: Equatable, Sendable {
    /// Leave the ticket as it is.
    case skip(Outcome)
    /// Write tag and version, and report this outcome.
    case write(Outcome)
    /// The tag is right; write the newer version.
    case writeVersion(Outcome)
}
