import FoundationEssentials
import ZendeskSimulator

/// Checks two hundred guests in, or out, at the same time.
enum CheckoutHour {
    static let guests = (1...200).map { "guest-\(1000 + $0)" }

    /// How many of them are in the house.
    static func inHouse(_ statuses: [String: String]) -> Int { guests.count { statuses[$0] == "InStay" } }

    /// Checks everybody out if somebody is in the house, else everybody in. Each guest has a ticket.
    static func turn(_ stack: LocalSystem) async throws {
        let status = inHouse(try await stack.bookings.statuses()) > 0 ? "CheckedOut" : "InStay"
        stack.zendesk.withAccount { account, now in
            let known = Set(account.tickets.values.compactMap { $0.text(of: LocalAccount.bookingIDField) })
            var id = account.tickets.keys.max() ?? 0
            for guest in guests where !known.contains(guest) {
                id += 1
                let ticket = SimulatedTicket(
                    id: id,
                    subject: "Late check-out?",
                    createdAt: now,
                    customFields: [LocalAccount.bookingIDField: .string(guest)]
                )
                account.put(ticket, now: now)
            }
        }
        try await withThrowingDiscardingTaskGroup { group in
            for guest in guests {
                group.addTask { _ = try await stack.bookings.commit(guest, status) }
            }
        }
    }
}
