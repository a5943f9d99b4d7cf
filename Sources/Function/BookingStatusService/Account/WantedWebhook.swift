/// The webhook that tells of new tickets.
struct WantedWebhook: Equatable, Sendable {
    /// The receiver's URL.
    var endpoint: String
    /// Whether it also tells of changes of custom fields. Each update of ours is then one or two
    /// requests, because Zendesk cannot filter them by field.
    var fieldChanges = false

    /// Source: Zendesk API reference, "Ticket events".
    static let ticketCreated = "zen:event-type:ticket.created"

    var subscriptions: [String] {
        [Self.ticketCreated] + (fieldChanges ? ["zen:event-type:ticket.custom_field_changed"] : [])
    }

    enum Step: Equatable, Sendable {
        case found(String)
        case create
        /// Activates it, or subscribes it to further events.
        case change(String, subscriptions: [String])
    }

    /// What is to be done, given the account's webhooks. A subscription is never taken away.
    func step(_ webhooks: [WebhookDefinition]) -> Step {
        guard let webhook = webhooks.first(where: { $0.calls(endpoint) }) else { return .create }
        let known = webhook.subscriptions ?? []
        let missing = subscriptions.filter { !known.contains($0) }
        return webhook.status == "active" && missing.isEmpty ? .found(webhook.id) : .change(webhook.id, subscriptions: known + missing)
    }
}

extension WebhookDefinition {
    /// Whether it calls this URL. A slash at the end makes no difference to the receiver.
    func calls(_ url: String) -> Bool {
        func bare(_ url: String) -> Substring { url.hasSuffix("/") ? url.dropLast() : url[...] }
        return bare(endpoint) == bare(url)
    }
}

extension WantedWebhook.Step: CustomStringConvertible {
    var description: String {
        switch self {
        case .found(let id): "found the webhook (\(id))"
        case .create: "create the webhook"
        case .change(let id, let subscriptions): "activate the webhook (\(id)) for \(subscriptions.joined(separator: ", "))"
        }
    }
}
