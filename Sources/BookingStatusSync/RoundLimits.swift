/// Batch sizes and concurrency limits. A simulation injects small numbers, so that a few bookings
/// reach all of them.
package struct RoundLimits: Sendable {
    /// Bookings in one round.
    package var bookings = 100
    /// Bookings in progress at once, excluding single changes. More could not be written before the
    /// deadline of a round.
    package var bookingsInWork = 1000
    /// Concurrent rounds while the budgets are hardly used.
    package var rounds = 3
    /// Bookings per search, excluding its two witnesses.
    package var bookingsPerSearch = 23
    /// Concurrent jobs. Zendesk allows thirty for the whole account.
    package var jobs = 5
    package var ticketsPerJob = 100
    /// Minimum tickets for a job while other jobs run. A job costs three calls and a second.
    package var fewestTicketsPerJob = 18
    /// How long a change waits for the previous one before its tickets are read again.
    package var parking = Duration.seconds(5)

    package init() {}

    /// Rounds of one booking, and updates of one ticket.
    package static var single: RoundLimits {
        var limits = RoundLimits()
        (limits.bookings, limits.rounds, limits.bookingsPerSearch, limits.jobs) = (1, 100, 1, 0)
        return limits
    }
}
