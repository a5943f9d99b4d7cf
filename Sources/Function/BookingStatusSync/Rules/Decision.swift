/// What to do with a ticket.
package enum Decision: Equatable, Sendable {
    /// Leave the ticket as it is.
    case skip(Outcome)
    /// Write tag and version, and report this outcome.
    case write(Outcome)
    /// The tag is right; write the newer version.
    case writeVersion(Outcome)
}
