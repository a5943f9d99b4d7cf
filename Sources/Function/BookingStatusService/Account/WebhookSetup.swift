import Zendesk

/// Creates the webhook that tells of new tickets, or finds it and brings it up to date.
struct WebhookSetup: Sendable {
    private let administration: AccountAdministration
    private let wanted: WantedWebhook

    enum Step: Equatable, Sendable {
        case found(String)
        case create
        /// Activates it, or subscribes it to further events.
        case change(String, subscriptions: [String])
    }

    init(_ administration: AccountAdministration, _ wanted: WantedWebhook) {
        self.administration = administration
        self.wanted = wanted
    }

    func plan() async throws(ZendeskError) -> Step { wanted.step(try await administration.webhooks()) }

    /// - Returns: the webhook's id and signing secret.
    func carryOut(_ step: Step) async throws(ZendeskError) -> (id: String, secret: String) {
        let id: String
        switch step {
        case .found(let found): id = found
        case .create:
            id = try await administration.createWebhook(NewWebhook(endpoint: wanted.endpoint, subscriptions: wanted.subscriptions))
        case .change(let found, let subscriptions):
            id = found
            try await administration.changeWebhook(id, NewWebhook.Change(subscriptions: subscriptions))
        }
        return (id, try await administration.signingSecret(of: id))
    }
}

extension WebhookSetup.Step: CustomStringConvertible {
    var description: String {
        switch self {
        case .found(let id): "found the webhook (\(id))"
        case .create: "create the webhook"
        case .change(let id, let subscriptions): "activate the webhook (\(id)) for \(subscriptions.joined(separator: ", "))"
        }
    }
}
