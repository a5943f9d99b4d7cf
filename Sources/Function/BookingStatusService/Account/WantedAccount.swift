import BookingStatusSync

/// The account settings that the function needs, in the terms of Zendesk's administration.
struct WantedAccount: Equatable, Sendable {
    static let statusTitle = "Booking status"
    static let bookingIDTitle = "Booking ID"
    static let versionTitle = "Booking version"
    static let viewTitle = "Guests by booking status"

    var tags: StatusTags

    init(tags: StatusTags) { self.tags = tags }

    /// The options that the account needs, in display order for agents. Statuses may share a tag,
    /// and then they share its option, which has the name of the first one.
    var statuses: [StatusTags.Pair] {
        tags.pairs.enumerated().filter { index, pair in !tags.pairs[..<index].contains { $0.tag == pair.tag } }.map(\.element)
    }
}
