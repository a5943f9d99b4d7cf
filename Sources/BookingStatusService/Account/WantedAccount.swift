import BookingStatusSync

/// The account settings that the function needs, in the terms of Zendesk's administration.
struct WantedAccount: Equatable, Sendable {
    static let statusTitle = "Booking status"
    static let bookingIDTitle = "Booking ID"
    static let versionTitle = "Booking version"
    static let viewTitle = "Guests by booking status"

    var tags: StatusTags

    init(tags: StatusTags) { self.tags = tags }

    /// Each booking status and its tag, in display order for agents.
    var statuses: [StatusTags.Pair] { tags.pairs }
}
