// The parts of Zendesk's API answers that the client reads.

/// A search's answer, with the fields from the search index.
struct SearchAnswer: Decodable {
    struct Hit: Decodable {
        let id: Int
        let created_at: String?
        let brand_id: Int?
        let group_id: Int?
        let custom_fields: [Ticket.CustomField]?

        func text(of field: Int) -> String? {
            switch custom_fields?.first(where: { $0.id == field })?.value {
            case .text(let text)?, .number(let text)?: text.isEmpty ? nil : text
            case .flag?, .list?, nil: nil
            }
        }
    }
    let results: [Hit]
    let next_page: String?
    let count: Int
}

struct TicketListAnswer: Decodable {
    let tickets: [Listed]
    let meta: ExportAnswer.Meta

    struct Listed: Decodable {
        let ticket: Ticket
        let hasCustomFields: Bool

        private enum Key: CodingKey { case custom_fields }

        init(from decoder: any Decoder) throws {
            ticket = try Ticket(from: decoder)
            hasCustomFields = try decoder.container(keyedBy: Key.self).contains(.custom_fields)
        }
    }
}

struct ExportAnswer: Decodable {
    struct Meta: Decodable { let has_more: Bool, after_cursor: String? }
    let results: [SearchAnswer.Hit]
    let meta: Meta
}

struct TicketsAnswer: Decodable { let tickets: [Ticket] }

struct AuditsAnswer: Decodable {
    let audits: [TicketAnswer.Audit]
    let meta: ExportAnswer.Meta?
}

struct TicketAnswer: Decodable {
    let ticket: Ticket
    let audit: Audit?

    struct Audit: Decodable {
        let events: [Event]?
        let metadata: Metadata?

        /// Our metadata contains only strings. Other metadata can have any shape.
        struct Metadata: Decodable {
            let custom: [String: String]

            private enum Key: CodingKey { case custom }

            init(from decoder: any Decoder) throws {
                custom = (try? decoder.container(keyedBy: Key.self).decode([String: String].self, forKey: .custom)) ?? [:]
            }
        }

        struct Event: Decodable {
            let field: Int?
            let previous: String?
            let value: String?
            /// False for the events of the ticket's creation, which replace nothing.
            let isChange: Bool

            private enum Key: CodingKey { case type, field_name, previous_value, value }

            init(from decoder: any Decoder) throws {
                let container = try decoder.container(keyedBy: Key.self)
                let name = try? container.decode(String.self, forKey: .field_name)
                let type = try container.decodeIfPresent(String.self, forKey: .type)
                isChange = type == "Change"
                field = isChange || type == "Create" ? name.flatMap { Int($0) } : nil
                value = (try? container.decode(String.self, forKey: .value)).flatMap { $0.isEmpty ? nil : $0 }
                // An empty custom field has been seen as null, as "" and as a missing member.
                previous = (try? container.decode(String.self, forKey: .previous_value)).flatMap { $0.isEmpty ? nil : $0 }
            }
        }

        /// Custom fields are named by their id.
        var entry: TicketAudit {
            var (replaced, set): ([Int: String?], [Int: String?]) = ([:], [:])
            for event in events ?? [] {
                guard let field = event.field else { continue }
                if event.isChange { replaced.updateValue(event.previous, forKey: field) }
                set.updateValue(event.value, forKey: field)
            }
            return TicketAudit(metadata: metadata?.custom ?? [:], replaced: replaced, set: set)
        }
    }
}

struct FieldAnswer: Decodable {
    struct Field: Decodable {
        struct Option: Decodable { let value: String }
        let active: Bool?
        let custom_field_options: [Option]?
    }
    let ticket_field: Field
}
