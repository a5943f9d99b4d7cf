package import FoundationEssentials

/// A *safe update* of a ticket's custom fields. Zendesk applies it only if the ticket has not
/// changed since it was read.
///
/// Source: Zendesk API reference, "Tickets", "Update Ticket" and "Protecting against ticket update
/// collisions".
package struct TicketUpdate: Equatable, Sendable {
    /// The new values by field id; nil empties a field. Other fields keep their values.
    package var customFields: [Int: String?]
    /// `updated_at` of the ticket that was read, verbatim.
    package var updatedStamp: String
    /// Stored in the ticket's audit, to show who changed the ticket and why.
    package var metadata: [String: String]

    package init(customFields: [Int: String?], updatedStamp: String, metadata: [String: String] = [:]) {
        self.customFields = customFields
        self.updatedStamp = updatedStamp
        self.metadata = metadata
    }

    package var json: Data {
        get throws { try Self.encoder.encode(Body(ticket: Body.Ticket(self, id: nil))) }
    }

    /// The body of a job. Each item is an update of one ticket, with the ticket's id.
    static func json(_ updates: [(ticket: Int, update: TicketUpdate)]) throws -> Data {
        try encoder.encode(ManyBody(tickets: updates.map { Body.Ticket($0.update, id: $0.ticket) }))
    }

    private static var encoder: JSONEncoder {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return encoder
    }

    private struct ManyBody: Encodable { let tickets: [Body.Ticket] }

    private struct Body: Encodable {
        let ticket: Ticket

        struct Ticket: Encodable {
            init(_ update: TicketUpdate, id: Int?) {
                self.id = id
                custom_fields = update.customFields.sorted { $0.key < $1.key }.map { .init(id: $0.key, value: $0.value) }
                metadata = update.metadata
                updated_stamp = update.updatedStamp
            }

            let id: Int?
            let custom_fields: [CustomField]
            let metadata: [String: String]
            let safe_update = true
            let updated_stamp: String
        }

        struct CustomField: Encodable {
            let id: Int
            let value: String?

            private enum Key: CodingKey { case id, value }

            func encode(to encoder: any Encoder) throws {
                var container = encoder.container(keyedBy: Key.self)
                try container.encode(id, forKey: .id)
                // Null empties the field; a missing member would keep its value.
                try container.encode(value, forKey: .value)
            }
        }
    }
}

/// Zendesk's answer to an update.
package struct TicketUpdateAnswer: Sendable {
    /// The ticket after the update.
    package var ticket: Ticket
    /// The update's changes, if the answer contains them. For an update that changed nothing,
    /// Zendesk returns the audit of an older one.
    package var audit: TicketAudit?

    package init(ticket: Ticket, audit: TicketAudit? = nil) {
        self.ticket = ticket
        self.audit = audit
    }
}
