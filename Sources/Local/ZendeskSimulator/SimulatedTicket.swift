import Support

/// A ticket of the simulated account.
package struct SimulatedTicket: Equatable, Sendable {
    package var id: Int
    package var subject: String
    /// `new`, `open`, `pending`, `hold`, `solved` or `closed`.
    package var status: String
    /// Seconds since 1970. Zendesk reports whole seconds only.
    package var createdAt: Double
    package var updatedAt: Double
    /// By field ID. Empty fields are absent.
    package var customFields: [Int: JSON]
    package var audits: [Audit] = []
    package var brand = 700
    package var group: Int?

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

    /// The value of a custom field. Null and "" empty the field.
    package subscript(field: Int) -> JSON {
        get { customFields[field] ?? .null }
        set {
            let isEmpty = newValue == .null || newValue == .string("")
            if isEmpty { customFields.removeValue(forKey: field) } else { customFields.updateValue(newValue, forKey: field) }
        }
    }

    package func text(of field: Int) -> String? { customFields[field]?.string }

    /// Adds an audit of the changes made by hand.
    package mutating func noteChanges(since before: SimulatedTicket, at time: Double) {
        var changes: [Change] = []
        for field in Set(customFields.keys).union(before.customFields.keys).sorted() where self[field] != before[field] {
            changes.append(Change(field: String(field), from: before[field], to: self[field]))
        }
        if status != before.status { changes.append(Change(field: "status", from: .string(before.status), to: .string(status))) }
        if subject != before.subject { changes.append(Change(field: "subject", from: .string(before.subject), to: .string(subject))) }
        if !changes.isEmpty { audits.append(Audit(at: time, changes: changes, metadata: .null)) }
    }

    func json(_ fields: [TicketField], _ form: AnswerForm) -> JSON {
        let values: [JSON] = fields.compactMap { field in
            guard field.isActive else { return nil }
            let id = JSON.Member(name: "id", value: .int(field.id))
            let value = customFields[field.id].map { JSON.Member(name: "value", value: $0) } ?? form.emptyFieldValue.member("value")
            return value.map { .object([id, $0]) }
        }
        let tags = fields.filter { $0.options != nil }.compactMap { text(of: $0.id) }.sorted()
        return .object(
            [
                .init(name: "id", value: .int(id)),
                .init(name: "url", value: .string("https://simulated.zendesk.com/api/v2/tickets/\(id).json")),
                .init(name: "created_at", value: .string(Self.stamp(createdAt))),
                .init(name: "updated_at", value: .string(Self.stamp(updatedAt))),
                .init(name: "subject", value: .string(subject)),
                .init(name: "raw_subject", value: .string(subject)),
                .init(name: "status", value: .string(status)), .init(name: "brand_id", value: .int(brand)),
                .init(name: "group_id", value: group.map { .int($0) } ?? .null),
                .init(name: "tags", value: .array(tags.map { .string($0) })),
                .init(name: "custom_fields", value: .array(values)),
                .init(name: "fields", value: .array(values)),
            ] + Self.unused
        )
    }

    private static let via: JSON.Member = .init(
        name: "via",
        value: ["channel": "web", "source": ["from": [:], "to": [:], "rel": nil]]
    )

    /// Members that every ticket has and that nothing here reads.
    private static let unused: [JSON.Member] = {
        let empty: [JSON.Member] = [
            "external_id", "type", "priority", "recipient", "assignee_id", "forum_topic_id", "problem_id", "due_at",
            "satisfaction_rating",
        ].map { .init(name: $0, value: nil) }
        let lists: [JSON.Member] = ["collaborator_ids", "follower_ids", "email_cc_ids", "sharing_agreement_ids", "followup_ids"].map {
            .init(name: $0, value: [])
        }
        let numbers: [JSON.Member] = ["requester_id", "submitter_id", "organization_id", "custom_status_id", "ticket_form_id"].map {
            .init(name: $0, value: 700)
        }
        let flags: [JSON.Member] = ["has_incidents", "is_public", "allow_channelback", "allow_attachments", "from_messaging_channel"].map {
            .init(name: $0, value: false)
        }
        return empty + lists + numbers + flags + [via, .init(name: "description", value: "")]
    }()

    /// The ticket as a search result.
    func hit(_ fields: [TicketField], _ form: AnswerForm) -> JSON {
        guard case .object(let members) = json(fields, form) else { return .null }
        return .object(members + [.init(name: "result_type", value: "ticket")])
    }

    /// - Parameter index: the position in ``audits``, or -1 for the audit of the ticket's creation.
    func auditJSON(_ index: Int, _ form: AnswerForm) -> JSON {
        let audit = audits.indices.contains(index) ? audits[index] : nil
        let events: [JSON] = (audit?.changes ?? []).enumerated().map { number, change in
            var members: [JSON.Member] = [
                .init(name: "id", value: .int(number + 1)), .init(name: "type", value: "Change"),
                .init(name: "field_name", value: .string(change.field)),
                .init(name: "value", value: change.to == .null ? "" : change.to),
            ]
            let former =
                change.from == .null ? form.emptyFormerValue.member("previous_value") : .init(name: "previous_value", value: change.from)
            if let former { members.append(former) }
            return .object(members)
        }
        return .object([
            .init(name: "id", value: .int(id * 1000 + index + 1)), .init(name: "ticket_id", value: .int(id)),
            .init(name: "created_at", value: .string(Self.stamp(audit?.at ?? createdAt))), .init(name: "author_id", value: 900),
            .init(
                name: "metadata",
                value: [
                    "system": [
                        "client": "booking-status-sync", "ip_address": "192.0.2.1", "location": "Naha, Japan", "latitude": .number(26.5),
                        "longitude": .number(127.5),
                    ],
                    "custom": audit?.metadata == .null ? [:] : audit?.metadata ?? [:],
                ]
            ),
            .init(name: "events", value: .array(events)), Self.via,
        ])
    }

    /// A time in whole seconds, as in `updated_at`.
    static func stamp(_ seconds: Double) -> String {
        RFC3339(seconds: Int64(seconds.rounded(.down))).description
    }
}
