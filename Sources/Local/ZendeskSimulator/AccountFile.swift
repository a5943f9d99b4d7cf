package import FoundationEssentials
import Support

/// The fields and tickets of an account, as a hand-written file. It uses the member names of
/// Zendesk's JSON; omitted members get defaults.
///
/// ```json
/// {
///   "tickets": [
///     {"id": 1, "subject": "Late check-out?", "custom_fields": [{"id": 1001, "value": "dcc5423e-…"}]}
///   ]
/// }
/// ```
///
/// `"search_is_blind": true` lets searches find nothing.
package struct AccountFile: Decodable {
    private var ticket_fields: [Field]?
    private var tickets: [Ticket]
    private var search_is_blind: Bool?

    fileprivate struct Field: Decodable {
        struct Option: Decodable { let name: String?, value: String }
        let id: Int
        let title: String
        let custom_field_options: [Option]?
    }

    private struct Ticket: Decodable {
        struct CustomField: Decodable { let id: Int, value: JSON? }
        let id: Int
        let subject: String?
        let status: String?
        let created_at: String?
        let custom_fields: [CustomField]?
    }

    package struct Unreadable: Error, CustomStringConvertible {
        package let description: String
    }

    package init(json: Data) throws(Unreadable) {
        do {
            self = try JSONDecoder().decode(AccountFile.self, from: json)
        } catch {
            throw Unreadable(description: "expected {\"tickets\":[{\"id\":…,\"custom_fields\":[…]}]}: \(error)")
        }
    }

    /// Creates the account.
    ///
    /// - Parameters:
    ///   - defaultFields: the ticket fields if the file names none.
    ///   - now: the current time, in seconds since 1970. A ticket without `created_at` is an hour
    ///     old.
    package func account(defaultFields: [TicketField], now: Double) -> SimulatedZendesk {
        var account = SimulatedZendesk(
            fields: ticket_fields.map { $0.map(\.definition) } ?? defaultFields
        )
        account.searchBehavior.isBlind = search_is_blind ?? false
        for ticket in tickets {
            let createdAt = ticket.created_at.flatMap { RFC3339($0) }.map { Double($0.seconds) } ?? now - 3600
            let values = (ticket.custom_fields ?? []).compactMap { field in
                field.value.flatMap { $0 == .null || $0 == "" ? nil : (field.id, $0) }
            }
            account.put(
                SimulatedTicket(
                    id: ticket.id,
                    subject: ticket.subject ?? "Ticket \(ticket.id)",
                    status: ticket.status ?? "open",
                    createdAt: createdAt,
                    customFields: Dictionary(values, uniquingKeysWith: { _, last in last })
                ),
                now: createdAt
            )
        }
        return account
    }
}

extension AccountFile.Field {
    fileprivate var definition: TicketField {
        TicketField(
            id: id,
            title: title,
            options: custom_field_options.map { $0.map { .init(name: $0.name ?? $0.value, tag: $0.value) } }
        )
    }
}
