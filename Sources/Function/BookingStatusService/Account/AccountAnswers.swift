// The members of Zendesk's answers that setup and check read. Members that a plan or an edition may
// lack are optional.
//
// Source: Zendesk API reference, "Ticket fields", "Views", "Users", "Triggers", "Ticket forms",
// "OAuth tokens", "Webhooks" and "Webhook invocations".

struct TicketFieldDefinition: Decodable, Equatable, Sendable {
    var id: Int
    var type: String
    var title: String
    var active: Bool
    var visible_in_portal: Bool?
    var editable_in_portal: Bool?
    var custom_field_options: [Option]?

    struct Option: Decodable, Equatable, Sendable {
        var id: Int?
        var name: String
        /// The tag.
        var value: String
        var `default`: Bool?
    }
}

struct ViewDefinition: Decodable, Equatable, Sendable {
    var id: Int
    var title: String
    var active: Bool?
}

struct UserDefinition: Decodable, Equatable, Sendable {
    var id: Int?
    var name: String?
    var role: String?
    var suspended: Bool?
    /// Nil for a user who sees every ticket; otherwise `groups`, `assigned`, `organization` or
    /// `requested`.
    var ticket_restriction: String?
}

struct TokenDefinition: Decodable, Equatable, Sendable {
    var scopes: [String]?
}

struct WebhookDefinition: Decodable, Equatable, Sendable {
    var id: String
    var endpoint: String
    /// `active` or `inactive`.
    var status: String
    var subscriptions: [String]?
}

struct WebhookInvocation: Decodable, Equatable, Sendable {
    /// `success`, or why it failed.
    var status: String?
    var status_code: Int?
}

struct Condition: Decodable, Equatable, Sendable {
    var field: String
    var `operator`: String?
    /// A string, a number, a flag, a list or nothing.
    var value: String?

    private enum Key: String, CodingKey { case field, `operator`, value }

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        field = try container.decode(String.self, forKey: .field)
        `operator` = try container.decodeIfPresent(String.self, forKey: .operator)
        value =
            (try? container.decode(String.self, forKey: .value))
            ?? (try? container.decode(Int.self, forKey: .value)).map { String($0) }
            ?? (try? container.decode(Bool.self, forKey: .value)).map { String($0) }
    }

    init(_ field: String, _ operator: String? = nil, _ value: String? = nil) {
        self.field = field
        self.operator = `operator`
        self.value = value
    }
}

struct TriggerDefinition: Decodable, Equatable, Sendable {
    var id: Int
    var title: String
    var active: Bool
    var conditions: Conditions
    var actions: [Action]

    struct Conditions: Decodable, Equatable, Sendable {
        var all: [Condition]?
        var any: [Condition]?
    }

    /// A change to a field, or a notification. The value does not matter here.
    struct Action: Decodable, Equatable, Sendable {
        var field: String
    }
}

struct TicketFormDefinition: Decodable, Equatable, Sendable {
    var id: Int
    var name: String
    var active: Bool
    var ticket_field_ids: [Int]?
    var agent_conditions: [FormCondition]?

    /// Fields that are shown only while another field has a certain value.
    struct FormCondition: Decodable, Equatable, Sendable {
        struct Child: Decodable, Equatable, Sendable { var id: Int }
        var child_fields: [Child]?
    }
}
