/// The rule for one change on one ticket: ``decide(_:_:keepsVersions:)``, unless a test injects
/// another.
package typealias Rule = @Sendable (_ ticket: TicketState, _ change: BookingChange, _ keepsVersions: Bool) -> Decision
