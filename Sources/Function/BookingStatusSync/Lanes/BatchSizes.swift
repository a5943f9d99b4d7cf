/// Limits of the items that share a call. A simulation uses small ones, so that a few bookings
/// reach all of them.
package struct BatchSizes: Sendable {
    /// Bookings in a search, besides its witnesses.
    package var bookingsPerSearch = 23
    /// Jobs at once. Zendesk allows thirty for the whole account.
    package var jobs = 5
    package var ticketsPerJob = 100
    /// Lanes in work at once, besides the first of each submission.
    package var lanes = 1000
    /// How long a change waits for the previous one before its tickets are read again.
    package var parking = Duration.seconds(5)

    /// Pages that the minute sweep reads, of a hundred tickets each.
    package var pagesPerSweep = 30

    package init() {}

    /// One booking per search, and one ticket per update.
    package static var single: BatchSizes {
        var sizes = BatchSizes()
        (sizes.bookingsPerSearch, sizes.jobs) = (1, 0)
        return sizes
    }
}
