import Timestamps

/// A ticket as the simulated account holds it.
package struct SimulatedTicket: Equatable, Sendable {
    package var id: Int
    package var subject: String
    /// `new`, `open`, `pending`, `hold`, `solved` or `closed`.
    package var status: String
    /// Seconds since 1970. Zendesk tells whole seconds only.
    package var createdAt: Double
    package var updatedAt: Double
    /// By field id; an empty field is not there.
    package var customFields: [Int: JSON]
    package var audits: [Audit] = []

    /// What one update changed.
    package struct Audit: Equatable, Sendable {
        package var at: Double
        package var changes: [Change]
        package var metadata: JSON
    }

    package struct Change: Equatable, Sendable {
        package var field: String
        package var from: JSON
        package var to: JSON
    }

    package init(id: Int, subject: String, status: String = "open", createdAt: Double, customFields: [Int: JSON] = [:]) {
        self.id = id
        self.subject = subject
        self.status = status
        self.createdAt = createdAt
        self.updatedAt = createdAt
        self.customFields = customFields
    }

    /// The value of a custom field; null and "" empty it.
    package subscript(field: Int) -> JSON {
        get { customFields[field] ?? .null }
        set {
            let isEmpty = newValue == .null || newValue == .string("")
            if isEmpty { customFields.removeValue(forKey: field) } else { customFields.updateValue(newValue, forKey: field) }
        }
    }

    package func text(of field: Int) -> String? { customFields[field]?.string }

    func json(_ fields: [TicketField]) -> JSON {
        let values: [JSON] = fields.map { ["id": .int($0.id), "value": customFields[$0.id] ?? .null] }
        let tags = fields.filter { $0.options != nil }.compactMap { text(of: $0.id) }.sorted()
        return [
            "id": .int(id),
            "url": .string("https://simulated.zendesk.com/api/v2/tickets/\(id).json"),
            "external_id": nil,
            "created_at": .string(Self.stamp(createdAt)),
            "updated_at": .string(Self.stamp(updatedAt)),
            "type": nil,
            "subject": .string(subject),
            "raw_subject": .string(subject),
            "priority": nil,
            "status": .string(status),
            "tags": .array(tags.map { .string($0) }),
            "custom_fields": .array(values),
            "fields": .array(values),
        ]
    }

    /// A ticket among the results of a search.
    func hit(_ fields: [TicketField]) -> JSON {
        guard case .object(let members) = json(fields) else { return .null }
        return .object(members + [.init(name: "result_type", value: "ticket")])
    }

    /// - Parameter index: of ``audits``; a ticket that was never updated has one of its creation, before the first.
    func auditJSON(_ index: Int) -> JSON {
        let audit = audits.indices.contains(index) ? audits[index] : nil
        let events: [JSON] = (audit?.changes ?? []).enumerated().map { number, change in
            [
                "id": .int(number + 1), "type": "Change", "field_name": .string(change.field), "value": change.to,
                "previous_value": change.from,
            ]
        }
        return [
            "id": .int(id * 1000 + index + 1), "ticket_id": .int(id), "created_at": .string(Self.stamp(audit?.at ?? createdAt)),
            "metadata": ["system": [:], "custom": audit?.metadata ?? [:]], "events": .array(events),
        ]
    }

    /// Whole seconds, as in `updated_at`.
    static func stamp(_ seconds: Double) -> String {
        RFC3339(seconds: Int64(seconds.rounded(.down))).description
    }
}
