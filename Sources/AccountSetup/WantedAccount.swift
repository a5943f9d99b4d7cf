/// What the function needs of an account, in the words of Zendesk's administration.
package struct WantedAccount: Equatable, Sendable {
    package static let statusTitle = "Booking status"
    package static let bookingIDTitle = "Booking ID"
    package static let versionTitle = "Booking version"
    package static let viewTitle = "Guests by booking status"

    /// Each booking status and its tag, in the order in which agents should see them.
    package var statuses: [(status: String, tag: String)]

    package init(statuses: [(status: String, tag: String)]) { self.statuses = statuses }

    /// As `BOOKING_STATUS_TAGS` has it: `InStay=booking_1_in_stay,Booked=booking_2_booked`. Nil where it has another form.
    package init?(tags text: String) {
        statuses = []
        for pair in text.split(separator: ",", omittingEmptySubsequences: false) {
            let parts = pair.split(separator: "=", omittingEmptySubsequences: false).map { part in
                String(part.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
            }
            guard parts.count == 2, !parts[0].isEmpty, !parts[1].isEmpty else { return nil }
            statuses.append((parts[0], parts[1]))
        }
    }

    package var tagsText: String { statuses.map { "\($0.status)=\($0.tag)" }.joined(separator: ",") }

    package static func == (left: WantedAccount, right: WantedAccount) -> Bool { left.tagsText == right.tagsText }
}
