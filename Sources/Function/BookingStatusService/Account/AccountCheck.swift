import BookingStatusSync
import FoundationEssentials
import Support
import Zendesk

/// Checks an account for everything that could be wrong before the first event. It changes nothing.
struct AccountCheck: Sendable {
    private let administration: AccountAdministration
    private let settings: CheckedSettings
    private let bookings: (any BookingSource)?
    private let zendesk: ZendeskClient
    private let deadline: Deadline
    private let time: TimeSource

    init(
        _ zendesk: ZendeskClient,
        _ settings: CheckedSettings,
        bookings: (any BookingSource)? = nil,
        deadline: Deadline,
        time: TimeSource = .system
    ) {
        administration = AccountAdministration(zendesk: zendesk, deadline: deadline)
        self.zendesk = zendesk
        self.settings = settings
        self.bookings = bookings
        self.deadline = deadline
        self.time = time
    }

    /// - Parameters:
    ///   - ticket: an unsolved ticket on which to try an update with an outdated stamp. Nothing on
    ///     the ticket changes.
    ///   - webhook: the URL of the receiver, if it is in use.
    func findings(ticket: Int?, webhook: String? = nil) async -> [Finding] {
        let me = await answer { () async throws(ZendeskError) in try await administration.currentUser() }
        if case .failure(let error) = me {
            // All other requests would fail in the same way, and take as long.
            let facts = AccountFacts(
                user: .failure(error),
                token: .failure(error),
                fields: .failure(error),
                triggers: .failure(error),
                forms: .failure(error)
            )
            return facts.findings(settings)
        }
        let headers = (try? me.get().headers) ?? [:]
        var facts = AccountFacts(
            user: me.map(\.user),
            token: await answer { () async throws(ZendeskError) in try await administration.currentToken() },
            fields: await answer { () async throws(ZendeskError) in try await administration.ticketFields() },
            triggers: await answer { () async throws(ZendeskError) in try await administration.triggers() },
            forms: await answer { () async throws(ZendeskError) in try await administration.ticketForms() }
        )
        facts.index = await answer { () async throws(ZendeskError) in
            try await SearchIndex.compareWithList(zendesk, field: settings.bookingStatus.bookingIDField, time: time, .before(deadline))
        }
        if let bookings {
            do {
                _ = try await bookings.read([], deadline: Deadline(after: .seconds(20), time))
                facts.database = .success(())
            } catch {
                facts.database = .failure(error)
            }
        }
        facts.clockSkew = headers["date"].flatMap { HTTPDate.seconds($0) }.map { time.secondsSince1970() - Double($0) }
        facts.requestsPerMinute = (headers["x-rate-limit"] ?? headers["ratelimit-limit"]).flatMap { Int($0) }
        if let webhook { facts.webhook = await answer { () async throws(ZendeskError) in try await state(ofWebhook: webhook) } }
        if let ticket, case .success = facts.user { facts.safeUpdate = await tryUpdate(ticket) }
        return facts.findings(settings)
    }

    private func state(ofWebhook url: String) async throws(ZendeskError) -> AccountFacts.WebhookState? {
        guard let webhook = try await administration.webhooks().first(where: { $0.calls(url) }) else { return nil }
        return .init(webhook: webhook, invocations: try? await administration.invocations(of: webhook.id))
    }

    private func answer<Value>(_ call: () async throws(ZendeskError) -> Value) async -> Result<Value, ZendeskError> {
        do {
            return .success(try await call())
        } catch {
            return .failure(error)
        }
    }

    /// Tries an update that sets the status to its current value, with a stamp from long ago.
    /// Zendesk must refuse it. If Zendesk accepts it, nothing changes.
    private func tryUpdate(_ id: Int) async -> AccountFacts.SafeUpdateTrial {
        do throws(ZendeskError) {
            return try await administration.updateWithOutdatedStamp(id, settings.bookingStatus.bookingStatusField)
        } catch {
            return .init(.failed(error))
        }
    }
}
