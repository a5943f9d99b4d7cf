package import Logging
import ZendeskSimulator

/// Runs a few stays through the pipeline, and checks that every ticket shows its booking's status.
package struct Demo: Sendable {
    /// Prints one line.
    let print: @Sendable (String) -> Void
    let logger: Logger

    package init(logger: Logger, print: @escaping @Sendable (String) -> Void) {
        self.logger = logger
        self.print = print
    }

    private static let bookings = LocalAccount.exampleBookings

    /// The status changes of the bookings, step by step.
    private static let steps: [[(bookingID: String, status: String)]] = [
        [(bookings.inHouse, "Tentative"), (bookings.left, "Tentative"), (bookings.cancelled, "Tentative"), (bookings.soon, "Tentative")],
        [(bookings.inHouse, "Booked"), (bookings.left, "Booked"), (bookings.cancelled, "Booked"), (bookings.soon, "Booked")],
        [(bookings.inHouse, "InStay"), (bookings.left, "InStay"), (bookings.cancelled, "Cancelled")],
        [(bookings.left, "CheckedOut")],
    ]

    /// - Returns: whether every ticket shows the expected status.
    package func run() async throws -> Bool {
        try await LocalSystem.run(.init(account: LocalAccount.example()), logger: logger) { stack in
            print("Everything except HTTPS runs here: Zendesk is called over plain HTTP, with another HTTP client than production's.\n")
            print("Before: five guests have written, nobody knows who is in the house.\n")
            print("\(stack.zendesk.withAccount { account, _ in AgentsView(account) })\n")
            var commits: [String: Double] = [:]
            for (number, step) in Self.steps.enumerated() {
                if number > 0 {
                    // Zendesk's update stamps have whole seconds: a ticket can be updated safely
                    // again only two seconds later.
                    try await Task.sleep(for: .seconds(3))
                }
                for change in step { commits[change.bookingID] = try await stack.bookings.commit(change.bookingID, change.status) }
                print("\(step.map { "\($0.bookingID.prefix(8)) \($0.status)" }.joined(separator: ", "))")
                try await stack.drained()
            }
            let statuses = try await stack.bookings.statuses()
            let (view, wrong) = stack.zendesk.withAccount { [commits] account, _ in
                (AgentsView(account, commits: commits), wrongTickets(account, statuses))
            }
            print("\nAfter: guests in the house come first.\n\n\(view)\n")
            for ticket in wrong { print("ticket #\(ticket) shows a wrong status") }
            return wrong.isEmpty
        }
    }

    private func wrongTickets(_ account: SimulatedZendesk, _ bookings: [String: String]) -> [Int] {
        account.tickets.values.filter { ticket in
            let booking = ticket.text(of: LocalAccount.bookingIDField).flatMap { bookings[$0] }
            return LocalAccount.status(ofTag: ticket.text(of: LocalAccount.bookingStatusField)) != booking
        }.map(\.id).sorted()
    }
}
