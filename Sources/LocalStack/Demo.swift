import FoundationEssentials
package import Logging
import ZendeskSimulator

/// Plays a few stays through the whole way, and checks that every ticket shows what its booking says.
package struct Demo: Sendable {
    /// Takes what is to be printed, line by line.
    let print: @Sendable (String) -> Void
    let logger: Logger

    package init(logger: Logger, print: @escaping @Sendable (String) -> Void) {
        self.logger = logger
        self.print = print
    }

    private static let bookings = (
        inHouse: "dcc5423e-09ab-4ff1-8e0d-c0fb299215e0", left: "7d0c9a53-0f5e-4f6e-9f43-0a1b8a3f2c77",
        cancelled: "a3b1f1de-6f0e-4d57-8f8e-2f6f8f0f9b10", soon: "5b9c2f64-83f7-4a53-9c3d-6f0d2a7e4411"
    )

    /// What happens to the bookings, step by step.
    private static let steps: [[(bookingID: String, status: String)]] = [
        [(bookings.inHouse, "Tentative"), (bookings.left, "Tentative"), (bookings.cancelled, "Tentative"), (bookings.soon, "Tentative")],
        [(bookings.inHouse, "Booked"), (bookings.left, "Booked"), (bookings.cancelled, "Booked"), (bookings.soon, "Booked")],
        [(bookings.inHouse, "InStay"), (bookings.left, "InStay"), (bookings.cancelled, "Cancelled")],
        [(bookings.left, "CheckedOut")],
    ]

    private static let tickets: [(subject: String, bookingID: String)] = [
        ("Invoice for our company", bookings.left),
        ("Can I get my deposit back?", bookings.cancelled),
        ("Is there parking?", bookings.soon),
        ("The heating does not work", bookings.inHouse),
        ("Could we have more towels?", bookings.inHouse),
    ]

    /// - Returns: whether every ticket shows what it should.
    package func run() async throws -> Bool {
        try await LocalStack.run(account: account(), logger: logger) { stack in
            print("Before: five guests have written, nobody knows who is in the house.\n")
            print("\(stack.zendesk.withAccount { account, _ in AgentsView(account) })\n")
            var commits: [String: Double] = [:]
            for (number, step) in Self.steps.enumerated() {
                if number > 0 {
                    // Zendesk's update stamps have whole seconds: a ticket can be updated safely again only two seconds later.
                    try await Task.sleep(for: .seconds(3))
                }
                for change in step { commits[change.bookingID] = stack.commit(change.bookingID, change.status) }
                print("\(step.map { "\($0.bookingID.prefix(8)) \($0.status)" }.joined(separator: ", "))")
                try await stack.subscription.drained()
            }
            let (view, wrong) = stack.zendesk.withAccount { account, _ in
                (AgentsView(account, commits: commits), wrongTickets(account, stack.bookings))
            }
            print("\nAfter: who is in the house comes first.\n\n\(view)\n")
            for ticket in wrong { print("ticket #\(ticket) shows a wrong status") }
            return wrong.isEmpty
        }
    }

    private func account() -> SimulatedZendesk {
        var account = SimulatedZendesk(fields: LocalAccount.fields)
        account.accessToken = LocalAccount.accessToken
        account.clients = [LocalAccount.client]
        let anHourAgo = Date().timeIntervalSince1970 - 3600
        for (number, ticket) in Self.tickets.enumerated() {
            let createdAt = anHourAgo + Double(number * 60)
            account.put(
                SimulatedTicket(
                    id: number + 1,
                    subject: ticket.subject,
                    createdAt: createdAt,
                    customFields: [LocalAccount.bookingIDField: .string(ticket.bookingID)]
                ),
                now: createdAt
            )
        }
        return account
    }

    private func wrongTickets(_ account: SimulatedZendesk, _ bookings: [String: String]) -> [Int] {
        account.tickets.values.filter { ticket in
            let booking = ticket.text(of: LocalAccount.bookingIDField).flatMap { bookings[$0] }
            return LocalAccount.status(ofTag: ticket.text(of: LocalAccount.bookingStatusField)) != booking
        }.map(\.id).sorted()
    }
}
