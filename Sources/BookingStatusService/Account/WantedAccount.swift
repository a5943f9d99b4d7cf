package import BookingStatusSync

/// The account settings that the function needs, in the terms of Zendesk's administration.
package struct WantedAccount: Equatable, Sendable {
    package static let statusTitle = "Booking status"
    package static let bookingIDTitle = "Booking ID"
    package static let versionTitle = "Booking version"
    package static let viewTitle = "Guests by booking status"

    package var tags: StatusTags

    package init(tags: StatusTags) { self.tags = tags }

    /// Each booking status and its tag, in display order for agents.
    var statuses: [StatusTags.Pair] { tags.pairs }
}
