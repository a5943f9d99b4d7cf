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

    /// Whole seconds, as in `updated_at`.
    static func stamp(_ seconds: Double) -> String {
        RFC3339(seconds: Int64(seconds.rounded(.down))).description
    }
}
