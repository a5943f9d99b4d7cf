import BookingStatusService
package import BookingStatusSync
import FoundationEssentials
import FunctionHosting
package import ZendeskSimulator

/// The initial account for local work: a status field and the fields around it. The status tags
/// sort in the agents' preferred order.
package enum LocalAccount {
    package static let bookingIDField = 1001
    package static let bookingStatusField = 1002
    package static let bookingVersionField = 1003
    /// A token that never expires, for inspecting the account by hand.
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

    package static let exampleBookings = (
        inHouse: "dcc5423e-09ab-4ff1-8e0d-c0fb299215e0", left: "7d0c9a53-0f5e-4f6e-9f43-0a1b8a3f2c77",
        cancelled: "a3b1f1de-6f0e-4d57-8f8e-2f6f8f0f9b10", soon: "5b9c2f64-83f7-4a53-9c3d-6f0d2a7e4411"
    )

    /// An account with five tickets, an hour old and with an empty status field.
    package static func example() -> SimulatedZendesk {
        let tickets: [(subject: String, bookingID: String)] = [
            ("Invoice for our company", exampleBookings.left),
            ("Can I get my deposit back?", exampleBookings.cancelled),
            ("Is there parking?", exampleBookings.soon),
            ("The heating does not work", exampleBookings.inHouse),
            ("Could we have more towels?", exampleBookings.inHouse),
        ]
        var account = empty()
        let anHourAgo = Date().timeIntervalSince1970 - 3600
        for (number, ticket) in tickets.enumerated() {
            let createdAt = anHourAgo + Double(number * 60)
            account.put(
                SimulatedTicket(
                    id: number + 1,
                    subject: ticket.subject,
                    createdAt: createdAt,
                    customFields: [bookingIDField: .string(ticket.bookingID)]
                ),
                now: createdAt
            )
        }
        return account
    }

    /// An account without tickets that knows the function's client.
    package static func empty() -> SimulatedZendesk {
        var account = SimulatedZendesk(fields: fields)
        account.accessToken = accessToken
        account.clients = [client]
        return account
    }
}
