package import FoundationEssentials
import Support

/// Webhooks that are subscribed to events of tickets.
///
/// Source: Zendesk API reference, "Webhooks", "Webhook invocations" and "Ticket events".
extension SimulatedZendesk {
    package struct Webhook: Equatable, Sendable {
        package var id: String
        package var name: String
        package var endpoint: String
        package var isActive = true
        package var subscriptions: [String]
        /// The key of its signatures.
        package var secret: String
        /// Newest first.
        package var invocations: [(status: String, code: Int?)] = []

        package init(id: String, name: String, endpoint: String, isActive: Bool = true, subscriptions: [String], secret: String) {
            self.id = id
            self.name = name
            self.endpoint = endpoint
            self.isActive = isActive
            self.subscriptions = subscriptions
            self.secret = secret
        }

        package static func == (left: Webhook, right: Webhook) -> Bool { left.json == right.json }

        var json: JSON {
            [
                "id": .string(id), "name": .string(name), "endpoint": .string(endpoint), "http_method": "POST", "request_format": "json",
                "status": isActive ? "active" : "inactive", "subscriptions": .array(subscriptions.map { .string($0) }),
                "created_by": .string("900"),
            ]
        }
    }

    /// A request that a webhook makes.
    package struct WebhookCall: Equatable, Sendable {
        package var webhook: String
        package var endpoint: String
        package var secret: String
        package var body: Data
    }

    package static let ticketCreated = "zen:event-type:ticket.created"
    package static let customFieldChanged = "zen:event-type:ticket.custom_field_changed"

    /// Opens a ticket, which webhooks tell of.
    package mutating func open(_ ticket: SimulatedTicket, now: Double) {
        put(ticket, now: now)
        announce(Self.ticketCreated, ticket, event: [:], now: now)
    }

    /// Tells of each custom field that has changed.
    mutating func announceChanges(of ticket: SimulatedTicket, since before: SimulatedTicket, now: Double) {
        for field in fields.map(\.id) where ticket[field] != before[field] {
            let event: JSON = [
                "custom_field": ["id": .string(String(field))], "current": ["value": ticket[field]], "previous": ["value": before[field]],
            ]
            announce(Self.customFieldChanged, ticket, event: event, now: now)
        }
    }

    private mutating func announce(_ type: String, _ ticket: SimulatedTicket, event: JSON, now: Double) {
        for webhook in webhooks where webhook.isActive && webhook.subscriptions.contains(type) {
            lastEvent += 1
            func text(_ time: Double) -> String { RFC3339(seconds: Int64(time)).description }
            let body: JSON = [
                "type": .string(type), "account_id": 1, "id": .string("event-\(lastEvent)"), "time": .string(text(now)),
                "zendesk_event_version": "2022-11-06", "subject": .string("zen:ticket:\(ticket.id)"),
                "detail": [
                    "id": .string(String(ticket.id)), "subject": .string(ticket.subject), "status": .string(ticket.status.uppercased()),
                    "created_at": .string(text(ticket.createdAt)), "updated_at": .string(text(ticket.updatedAt)),
                ],
                "event": event,
            ]
            onWebhook?(WebhookCall(webhook: webhook.id, endpoint: webhook.endpoint, secret: webhook.secret, body: body.data))
        }
    }

    /// Records how a request of a webhook ended.
    package mutating func invoked(_ webhook: String, status: String, code: Int?) {
        guard let index = webhooks.firstIndex(where: { $0.id == webhook }) else { return }
        webhooks[index].invocations = Array(([(status, code)] + webhooks[index].invocations).prefix(100))
    }

    private struct Body: Decodable {
        struct Webhook: Decodable { let name: String?, endpoint: String?, status: String?, subscriptions: [String]? }
        let webhook: Webhook
    }

    mutating func administerWebhooks(_ method: String, _ path: ArraySlice<String>, _ body: Data) -> Response? {
        guard path.first == "webhooks" else { return nil }
        if let onlyAdministrators { return onlyAdministrators }
        let change = try? JSONDecoder().decode(Body.self, from: body).webhook
        if path.count == 1 {
            if method == "GET" { return list("webhooks", webhooks.map(\.json)) }
            guard method == "POST", let name = change?.name, let endpoint = change?.endpoint, let subscriptions = change?.subscriptions
            else {
                return method == "POST" ? Response(400, ["errors": [["code": "InvalidWebhook", "title": "Webhook is invalid"]]]) : nil
            }
            let id = "webhook-\(webhooks.count + 1)"
            let isActive = change?.status == "active"
            webhooks.append(
                Webhook(id: id, name: name, endpoint: endpoint, isActive: isActive, subscriptions: subscriptions, secret: "secret-\(id)")
            )
            return Response(201, ["webhook": webhooks[webhooks.count - 1].json])
        }
        guard let index = webhooks.firstIndex(where: { $0.id == path.dropFirst().first }) else { return notFound }
        switch (method, path.dropFirst(2).first) {
        case ("GET", nil): return Response(200, ["webhook": webhooks[index].json])
        case ("PATCH", nil):
            if let status = change?.status { webhooks[index].isActive = status == "active" }
            if let subscriptions = change?.subscriptions { webhooks[index].subscriptions = subscriptions }
            return Response(204, text: "")
        case ("GET", "signing_secret"):
            return Response(200, ["signing_secret": ["algorithm": "SHA256", "secret": .string(webhooks[index].secret)]])
        case ("GET", "invocations"):
            let invocations = webhooks[index].invocations.enumerated().map { number, invocation -> JSON in
                [
                    "id": .string("invocation-\(number)"), "latest_completed_at": "2026-11-24T00:00:00Z",
                    "status": .string(invocation.status),
                    "status_code": invocation.code.map { .int($0) } ?? .null,
                ]
            }
            return list("invocations", invocations)
        default: return nil
        }
    }

    private func list(_ name: String, _ items: [JSON]) -> Response {
        Response(200, .object([.init(name: name, value: .array(items)), .init(name: "meta", value: ["has_more": false])]))
    }
}
