import BookingStatusService
package import BookingStatusSync
import FunctionServer
package import ZendeskSimulator

/// The account that local work starts with: a status field whose tags sort as agents want to see them, and the fields around it.
package enum LocalAccount {
    package static let bookingIDField = 1001
    package static let bookingStatusField = 1002
    package static let bookingVersionField = 1003
    /// A token that never expires, for whoever looks at the account by hand.
    package static let accessToken = "local"
    /// The function's OAuth client.
    package static let client = SimulatedZendesk.Client(id: "booking-status-sync", secret: "local-secret")

    /// In the order of the agents' view: Zendesk sorts a drop-down's column by tag.
    package static let statuses: [(status: String, tag: String)] = [
        ("InStay", "booking_1_in_stay"),
        ("Booked", "booking_2_booked"),
        ("Tentative", "booking_3_tentative"),
        ("CheckedOut", "booking_4_checked_out"),
        ("Cancelled", "booking_5_cancelled"),
    ]

    package static var fields: [TicketField] {
        [
            TicketField(id: bookingIDField, title: "Booking ID"),
            TicketField(
                id: bookingStatusField,
                title: "Booking status",
                options: statuses.map { .init(name: $0.status, tag: $0.tag) }
            ),
            TicketField(id: bookingVersionField, title: "Booking version"),
        ]
    }

    package static var settings: BookingStatusSettings {
        BookingStatusSettings(
            bookingIDField: bookingIDField,
            bookingStatusField: bookingStatusField,
            bookingVersionField: bookingVersionField,
            tags: Dictionary(uniqueKeysWithValues: statuses.map { ($0.status, $0.tag) })
        )
    }

    package static func status(ofTag tag: String?) -> String? {
        statuses.first { $0.tag == tag }?.status
    }
}
