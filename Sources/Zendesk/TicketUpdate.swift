package import FoundationEssentials

/// A change of a ticket's custom fields that Zendesk makes only if the ticket is still as it was
/// read (a *safe update*).
///
/// Source: Zendesk API reference, "Tickets", "Update Ticket" and "Protecting against ticket update
/// collisions".
package struct TicketUpdate: Equatable, Sendable {
    /// The new values; nil empties a field. Fields that are not named stay as they are.
    package var customFields: [Int: String?]
    /// `updated_at` of the ticket that was read, to the letter.
    package var updatedStamp: String
    /// Ends in the ticket's audit, for whoever asks who changed this and why.
    package var metadata: [String: String]

    package init(customFields: [Int: String?], updatedStamp: String, metadata: [String: String] = [:]) {
        self.customFields = customFields
        self.updatedStamp = updatedStamp
        self.metadata = metadata
    }

    package var json: Data {
        get throws { try Self.encoder.encode(Body(ticket: Body.Ticket(self, id: nil))) }
    }

    /// The updates of a job: each item is as an update of one ticket, and names it.
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
                // A null empties the field, a missing member would leave it.
                try container.encode(value, forKey: .value)
            }
        }
    }
}

/// One entry of a ticket's history: what one update changed.
package struct TicketAudit: Equatable, Sendable {
    /// The metadata that the update came with.
    package var metadata: [String: String]
    /// The values that it replaced, by the field's id; nil where the field was empty. System fields
    /// are left out.
    package var replaced: [Int: String?]
    /// The values that it set, by the field's id; nil where it emptied the field.
    package var set: [Int: String?]

    package init(metadata: [String: String], replaced: [Int: String?], set: [Int: String?] = [:]) {
        self.metadata = metadata
        self.replaced = replaced
        self.set = set
    }
}

/// What Zendesk says it has done.
package struct TicketUpdateAnswer: Sendable {
    /// The ticket after the update.
    package var ticket: Ticket
    /// What the update changed, where the answer tells. An update that changed nothing is answered
    /// with the audit of an older one.
    package var audit: TicketAudit?

    package init(ticket: Ticket, audit: TicketAudit? = nil) {
        self.ticket = ticket
        self.audit = audit
    }
}
