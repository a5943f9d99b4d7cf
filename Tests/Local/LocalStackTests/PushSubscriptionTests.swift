import Foundation
import Logging
import TestSupport
import Testing
import ZendeskSimulator

@testable import LocalStack

@Suite("In-memory push")
struct PushSubscriptionTests {
    private let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    private func stack<Result: Sendable>(_ body: @Sendable (LocalSystem, PushSubscription) async throws -> Result) async throws -> Result {
        var configuration = LocalSystem.Configuration(account: LocalAccount.example())
        configuration.push.maximumDeliveryAttempts = 3
        configuration.push.minimumBackoff = .milliseconds(100)
        return try await LocalSystem.run(configuration, logger: logger) { stack in
            try await body(stack, #require(stack.broker as? PushSubscription))
        }
    }

    @Test("an unacknowledged message is a dead letter after a few attempts with growing delays, and can be replayed")
    func deadLetters() async throws {
        try await stack { stack, subscription in
            let booking = LocalAccount.exampleBookings.soon
            stack.zendesk.withAccount { account, _ in account.faults.outage = 1 }
            _ = try await stack.bookings.commit(booking, "Booked")
            try await eventually("it is given up") { subscription.deadLetters().count == 1 }
            let letter = try #require(subscription.deadLetters().first)
            let entry = try #require(stack.journal.entry(letter.messageID))
            #expect(entry.deliveries.map(\.attempt) == [1, 2, 3])
            #expect(entry.deliveries.allSatisfy { $0.answer?.status == 503 })
            let times = entry.deliveries.map(\.startedAt)
            #expect(times[1] - times[0] >= 0.1)
            #expect(times[2] - times[1] >= 0.2)

            stack.zendesk.withAccount { account, _ in account.faults.outage = 0 }
            subscription.replay(subscription.deadLetters())
            #expect(subscription.deadLetters().isEmpty)
            try await eventually("the ticket is right") {
                stack.zendesk.withAccount { account, _ in account.tickets[3]?.text(of: LocalAccount.bookingStatusField) }
                    == "booking_2_booked"
            }
        }
    }

    @Test("the journal traces a change, with its latency in milliseconds by Zendesk's own audits")
    func journal() async throws {
        try await stack { stack, _ in
            let committed = try #require(try await stack.bookings.commit(LocalAccount.exampleBookings.inHouse, "InStay"))
            try await stack.drained()
            let observations = stack.journal.observations()
            let entry = try #require(observations.entries.first)
            #expect(entry.changes == [.init(bookingID: LocalAccount.exampleBookings.inHouse, from: nil, to: "InStay")])
            #expect(entry.outcomes.map(\.outcome) == ["added", "added"])
            #expect(Set(entry.writes.map(\.ticket)) == [4, 5])
            let audit = try #require(
                stack.zendesk.withAccount { account, _ in [4, 5].compactMap { account.tickets[$0]?.audits.last?.at }.min() }
            )
            #expect(observations.latencies.count == 1)
            #expect(abs(try #require(observations.latencies.first) - (audit - committed) * 1000) < 1)
        }
    }
}
