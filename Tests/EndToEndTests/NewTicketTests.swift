import Crypto
import Foundation
import LocalStack
import Logging
import Synchronization
import TestSupport
import Testing
import ZendeskSimulator

@Suite("A new ticket, from the webhook to its status")
struct NewTicketTests {
    private let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    /// As Zendesk signs.
    private static let sign: WebhookSender.Sign = { secret, text in
        Data(HMAC<SHA256>.authenticationCode(for: text, using: SymmetricKey(data: Data(secret.utf8))))
    }

    private func configuration(sign: @escaping WebhookSender.Sign = sign) -> LocalSystem.Configuration {
        var account = LocalAccount.empty()
        account.searchLag = 600...600
        var configuration = LocalSystem.Configuration(account: account)
        configuration.sign = sign
        return configuration
    }

    @discardableResult
    private func open(_ stack: LocalSystem, booking: String) -> Int {
        stack.zendesk.withAccount { account, now in
            let id = (account.tickets.keys.max() ?? 0) + 1
            let fields: [Int: JSON] = [LocalAccount.bookingIDField: .string(booking)]
            account.open(SimulatedTicket(id: id, subject: "?", createdAt: now, customFields: fields), now: now)
            return id
        }
    }

    private func status(_ stack: LocalSystem, _ ticket: Int) -> String? {
        stack.zendesk.withAccount { account, _ in
            LocalAccount.status(ofTag: account.tickets[ticket]?.text(of: LocalAccount.bookingStatusField))
        }
    }

    @Test("shows its booking's status without a sweep or a search")
    func filled() async throws {
        try await LocalSystem.run(configuration(), logger: logger) { stack in
            _ = try await stack.bookings.commit("B-1", "InStay")
            try await stack.drained()
            let ticket = open(stack, booking: "B-1")
            try await eventually("the ticket shows it") { status(stack, ticket) == "InStay" }
            try await stack.drained()
            let entry = try #require(stack.journal.observations().entries.first { $0.ticket == ticket })
            #expect(entry.outcomes.map(\.outcome) == ["added"])
            #expect(entry.writes.count == 1)
            stack.zendesk.withAccount { account, _ in
                #expect(account.webhooks[0].invocations.map(\.code) == [204])
                #expect(account.unknownRequests.isEmpty)
            }
        }
    }

    @Test("a ticket that names its booking later is filled then, and our own updates publish nothing")
    func namedLater() async throws {
        try await LocalSystem.run(configuration(), logger: logger) { stack in
            stack.zendesk.withAccount { account, _ in account.webhooks[0].subscriptions.append(SimulatedZendesk.customFieldChanged) }
            _ = try await stack.bookings.commit("B-1", "InStay")
            try await stack.drained()
            let ticket = open(stack, booking: "")
            try await eventually("its first message is done") { outcomes(stack, ticket) == [["no_booking_id"]] }
            stack.zendesk.withAccount { account, now in
                account.edit(ticket, now: now) { $0[LocalAccount.bookingIDField] = .string("B-1") }
            }
            try await eventually("the ticket shows it") { status(stack, ticket) == "InStay" }
            try await stack.drained()
            // The new ticket, the bot's change, and our status and version.
            try await eventually("Zendesk has told of all of it") {
                stack.zendesk.withAccount { account, _ in account.webhooks[0].invocations.map(\.code) == [204, 204, 204, 204] }
            }
            #expect(Set(outcomes(stack, ticket)) == [["no_booking_id"], ["added"]])
        }
    }

    /// The outcomes of each message that named the ticket.
    private func outcomes(_ stack: LocalSystem, _ ticket: Int) -> [[String]] {
        stack.journal.observations().entries.filter { $0.ticket == ticket }.map { $0.outcomes.map(\.outcome) }
    }

    @Test("an event that is signed with another secret is refused, and nothing is published")
    func forged() async throws {
        try await LocalSystem.run(
            configuration(sign: { secret, text in Self.sign(secret, text + Data([UInt8.random(in: 0...255)])) }),
            logger: logger
        ) { stack in
            let ticket = open(stack, booking: "B-1")
            try await eventually("it is refused") {
                stack.zendesk.withAccount { account, _ in account.webhooks[0].invocations.map(\.code) == [401] }
            }
            #expect(stack.journal.observations().entries.isEmpty)
            #expect(status(stack, ticket) == nil)
        }
    }
}
