/// How much of the work goes together. A simulation injects small numbers, so that a few bookings
/// meet all of them.
package struct RoundLimits: Sendable {
    /// Bookings in one round.
    package var bookings = 100
    /// Bookings in work at once, besides single changes: more could not be written before the
    /// deadline of a round.
    package var bookingsInWork = 1000
    /// Rounds at once, while the budgets are hardly used.
    package var rounds = 3
    /// Bookings that one search asks for, besides its two witnesses.
    package var bookingsPerSearch = 23
    /// Jobs at once. Zendesk takes thirty for the whole account.
    package var jobs = 5
    package var ticketsPerJob = 100
    /// A job costs three calls and a second, so while others run it waits until it has as many
    /// tickets.
    package var fewestTicketsPerJob = 18
    /// How long a change waits for the one before it, until its tickets are read once more.
    package var parking = Duration.seconds(5)

    package init() {}

    /// Rounds of one booking, and updates of one ticket.
    package static var single: RoundLimits {
        var limits = RoundLimits()
        (limits.bookings, limits.rounds, limits.bookingsPerSearch, limits.jobs) = (1, 100, 1, 0)
        return limits
    }
}
