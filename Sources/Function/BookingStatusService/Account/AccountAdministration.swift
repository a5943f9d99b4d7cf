import FoundationEssentials
import Support
import Zendesk

/// API calls for setting up and checking an account, beyond those of the function.
struct AccountAdministration: Sendable {
    let zendesk: ZendeskClient
    let deadline: Deadline

    func ticketFields() async throws(ZendeskError) -> [TicketFieldDefinition] {
        struct Answer: Page { var ticket_fields: [TicketFieldDefinition], next_page: String? }
        return try await all("/api/v2/ticket_fields.json?per_page=100") { (answer: Answer) in answer.ticket_fields }
    }

    func views() async throws(ZendeskError) -> [ViewDefinition] {
        struct Answer: Page { var views: [ViewDefinition], next_page: String? }
        return try await all("/api/v2/views.json?access=shared&per_page=100") { (answer: Answer) in answer.views }
    }

    func triggers() async throws(ZendeskError) -> [TriggerDefinition] {
        struct Answer: Page { var triggers: [TriggerDefinition], next_page: String? }
        return try await all("/api/v2/triggers/active.json?per_page=100") { (answer: Answer) in answer.triggers }
    }

    func ticketForms() async throws(ZendeskError) -> [TicketFormDefinition] {
        struct Answer: Page { var ticket_forms: [TicketFormDefinition], next_page: String? }
        return try await all("/api/v2/ticket_forms.json?per_page=100") { (answer: Answer) in answer.ticket_forms }
    }

    func currentUser() async throws(ZendeskError) -> (user: UserDefinition, headers: [String: String]) {
        struct Answer: Decodable { var user: UserDefinition }
        let answer: (value: Answer, headers: [String: String]) = try await zendesk.call(.init(.get, "/api/v2/users/me.json"), deadline)
        return (answer.value.user, answer.headers)
    }

    func currentToken() async throws(ZendeskError) -> TokenDefinition {
        struct Answer: Decodable { var token: TokenDefinition }
        let answer: (value: Answer, headers: [String: String]) = try await zendesk.call(
            .init(.get, "/api/v2/oauth/tokens/current.json"),
            deadline
        )
        return answer.value.token
    }

    /// - Returns: the new field's id.
    func createField(_ field: NewTicketField) async throws(ZendeskError) -> Int {
        try await create("/api/v2/ticket_fields.json", ["ticket_field": field]) { (answer: [String: Created]) in answer["ticket_field"]?.id
        }
    }

    func replaceOptions(of field: Int, _ options: [SetupPlan.Option]) async throws(ZendeskError) {
        let change = NewTicketField.Options(custom_field_options: options.map { .init(id: $0.id, name: $0.name, value: $0.tag) })
        let request = OutboundRequest(.put, "/api/v2/ticket_fields/\(field).json", body: try json(["ticket_field": change]))
        let _: (value: [String: TicketFieldDefinition], headers: [String: String]) = try await zendesk.call(request, deadline)
    }

    /// - Returns: the new view's id.
    func createView(_ view: NewView) async throws(ZendeskError) -> Int {
        try await create("/api/v2/views.json", ["view": view]) { (answer: [String: Created]) in answer["view"]?.id }
    }

    func webhooks() async throws(ZendeskError) -> [WebhookDefinition] {
        struct Answer: Decodable {
            struct Meta: Decodable { var has_more: Bool? }
            var webhooks: [WebhookDefinition]
            var meta: Meta?
        }
        // An account has a few; a trial has at most ten.
        let request = OutboundRequest(.get, "/api/v2/webhooks?page%5Bsize%5D=100")
        let answer: (value: Answer, headers: [String: String]) = try await zendesk.call(request, deadline)
        guard answer.value.meta?.has_more != true else { throw ZendeskError(.rejected, "the account has over a hundred webhooks") }
        return answer.value.webhooks
    }

    /// The latest requests of a webhook.
    func invocations(of webhook: String) async throws(ZendeskError) -> [WebhookInvocation] {
        struct Answer: Decodable { var invocations: [WebhookInvocation] }
        let request = OutboundRequest(.get, "/api/v2/webhooks/\(webhook)/invocations?page%5Bsize%5D=20&sort=-latest_completed_at")
        let answer: (value: Answer, headers: [String: String]) = try await zendesk.call(request, deadline)
        return answer.value.invocations
    }

    /// - Returns: the webhook's id.
    func carryOut(_ step: WantedWebhook.Step, for wanted: WantedWebhook) async throws(ZendeskError) -> String {
        switch step {
        case .found(let id): return id
        case .create:
            let new = NewWebhook(endpoint: wanted.endpoint, subscriptions: wanted.subscriptions)
            let request = OutboundRequest(.post, "/api/v2/webhooks", body: try json(["webhook": new]))
            let answer: (value: [String: WebhookDefinition], headers: [String: String]) = try await zendesk.call(request, deadline)
            guard let webhook = answer.value["webhook"] else { throw ZendeskError(.rejected, "Zendesk did not say what it created") }
            return webhook.id
        case .change(let id, let subscriptions):
            let change = NewWebhook.Change(subscriptions: subscriptions)
            let request = OutboundRequest(.patch, "/api/v2/webhooks/\(id)", body: try json(["webhook": change]))
            let response = try await zendesk.respond(to: request, deadline)
            guard (200..<300).contains(response.status) else { throw ZendeskError(response, to: request) }
            return id
        }
    }

    func signingSecret(of webhook: String) async throws(ZendeskError) -> String {
        struct Answer: Decodable {
            struct Secret: Decodable { var secret: String }
            var signing_secret: Secret
        }
        let request = OutboundRequest(.get, "/api/v2/webhooks/\(webhook)/signing_secret")
        let answer: (value: Answer, headers: [String: String]) = try await zendesk.call(request, deadline)
        return answer.value.signing_secret.secret
    }

    /// Updates a ticket with an outdated stamp, setting a field to its current value.
    func updateWithOutdatedStamp(_ id: Int, _ field: Int) async throws(ZendeskError) -> AccountFacts.SafeUpdateTrial {
        let ticket = try await zendesk.ticket(id, .before(deadline)).ticket
        let update = TicketUpdate(customFields: [field: ticket.text(of: field)], updatedStamp: "2000-01-01T00:00:00Z")
        let request: OutboundRequest
        do {
            request = OutboundRequest(.put, "/api/v2/tickets/\(id).json", body: try update.json)
        } catch {
            throw ZendeskError(.rejected, "the update cannot be written as JSON: \(error)")
        }
        let response = try await zendesk.respond(to: request, deadline)
        let updates = RateLimitWindow.ticketUpdates(response.headers)?.total
        switch response.status {
        case 409: return .init(.honoured, updatesPerMinute: updates)
        case 200..<300: return .init(.ignored, updatesPerMinute: updates)
        default: return .init(.failed(ZendeskError(response, to: request)), updatesPerMinute: updates)
        }
    }

    private struct Created: Decodable { let id: Int }

    private protocol Page: Decodable { var next_page: String? { get } }

    private func all<Answer: Page, Item>(_ target: String, _ items: (Answer) -> [Item]) async throws(ZendeskError) -> [Item] {
        var result: [Item] = []
        var page = 1
        while true {
            let request = OutboundRequest(.get, "\(target)&page=\(page)")
            let answer: (value: Answer, headers: [String: String]) = try await zendesk.call(request, deadline)
            result += items(answer.value)
            guard answer.value.next_page != nil, !items(answer.value).isEmpty else { return result }
            page += 1
        }
    }

    private func create<Body: Encodable, Answer: Decodable>(
        _ target: String,
        _ body: Body,
        _ id: (Answer) -> Int?
    ) async throws(ZendeskError) -> Int {
        let answer: (value: Answer, headers: [String: String]) = try await zendesk.call(
            .init(.post, target, body: try json(body)),
            deadline
        )
        guard let id = id(answer.value) else { throw ZendeskError(.rejected, "Zendesk did not say what it created at \(target)") }
        return id
    }

    private func json(_ body: some Encodable) throws(ZendeskError) -> Data {
        do {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            return try encoder.encode(body)
        } catch {
            throw ZendeskError(.rejected, "the request cannot be written as JSON: \(error)")
        }
    }
}

/// A webhook to create.
///
/// Source: Zendesk API reference, "Webhooks".
struct NewWebhook: Encodable {
    var name = "booking-status-sync"
    var endpoint: String
    var http_method = "POST"
    var request_format = "json"
    var status = "active"
    var subscriptions: [String]

    struct Change: Encodable {
        var status = "active"
        var subscriptions: [String]
    }
}

/// A ticket field that guests can neither see nor fill in.
struct NewTicketField: Encodable {
    var type: String
    var title: String
    var description: String
    var custom_field_options: [Option]?
    var active = true
    var required = false
    var visible_in_portal = false
    var editable_in_portal = false

    struct Option: Encodable {
        var id: Int?
        var name: String
        var value: String
    }

    struct Options: Encodable { var custom_field_options: [Option] }
}

/// A view to create. Its conditions cannot look at text fields.
///
/// Source: Zendesk API reference, "Views" and "Conditions reference".
struct NewView: Encodable {
    var title = WantedAccount.viewTitle
    var description = "Unsolved tickets of guests, those in the house first"
    var active = true
    var all: [Condition]
    var output: Output

    struct Condition: Encodable {
        var field: String
        var `operator`: String
        var value: String?
    }

    struct Output: Encodable {
        var columns: [String]
        var sort_by: String
        var sort_order = "asc"
    }

    init(statusField: Int) {
        all = [
            .init(field: "status", operator: "less_than", value: "solved"),
            .init(field: "custom_fields_\(statusField)", operator: "present", value: nil),
        ]
        output = Output(columns: ["\(statusField)", "subject", "requester", "status", "updated"], sort_by: "\(statusField)")
    }
}
