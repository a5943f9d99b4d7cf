import FunctionRuntime
import Foundation
import LocalStack
import Logging
import Synchronization
import TestSupport
import Testing
import ZendeskSimulator

@Suite("End to end, over HTTP")
struct EndToEndTests {
    private let booking = "dcc5423e-5b0e-4c55-9a6e-0a4a5d2b9c11"
    private let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    @Test("the demo ends with the right status on every ticket")
    func demo() async throws {
        let printed = Mutex<[String]>([])
        let demo = Demo(logger: logger) { line in printed.withLock { $0.append(line) } }
        #expect(try await demo.run())
        let after = try #require(printed.withLock { $0.last { $0.contains("commit to ticket") } })
        let rows = after.split(separator: "\n").dropFirst(4)
        #expect(rows.first?.contains("InStay") == true)
    }

    @Test(
        "the samples, sent in commit order, give the ticket the statuses in the table",
        arguments: ["google-template", "mercari-0.9"],
        PubSubMessage.DeliveryForm.allCases
    )
    func samples(producer: String, form: PubSubMessage.DeliveryForm) async throws {
        let steps: [(sample: String, showsAfter: String?)] = [
            ("insert", "Tentative"), ("update-booked", "Booked"), ("update-same-value", "Booked"), ("insert-three-mods", "Booked"),
            ("delete", nil),
        ]
        try await LocalSystem.run(.init(account: account(showing: nil)), logger: logger) { stack in
            let sender = EventSender(url: stack.functionURL)
            for step in steps where Fixtures.records.contains(where: { $0.lastPathComponent == "\(producer).\(step.sample).json" }) {
                let data = try Fixtures.record("\(producer).\(step.sample)")
                let answer = try await sender.send(PubSubMessage(id: step.sample, data: data, publishTime: Date()), as: form)
                #expect(answer.status == 204, "\(step.sample): \(answer.body)")
                stack.zendesk.withAccount { account, _ in
                    #expect(account.tickets[1]?.text(of: LocalAccount.bookingStatusField) == step.showsAfter.map(tag), "\(step.sample)")
                }
            }
            stack.zendesk.withAccount { account, _ in #expect(account.unknownRequests.isEmpty) }
        }
    }

    @Test("both producers' records lead to the same status", arguments: RecordLayout.allCases)
    func producers(layout: RecordLayout) async throws {
        var configuration = LocalSystem.Configuration(account: account(showing: nil))
        configuration.layout = layout
        try await LocalSystem.run(configuration, logger: logger) { stack in
            _ = try await stack.bookings.commit(booking, "Tentative")
            try await stack.drained()
            stack.zendesk.withAccount { account, _ in
                #expect(account.tickets[1]?.text(of: LocalAccount.bookingStatusField) == tag("Tentative"))
            }
        }
    }

    private func tag(_ status: String) -> String {
        LocalAccount.statuses.first { $0.status == status }?.tag ?? status
    }

    private func account(showing status: String?) -> SimulatedZendesk {
        var account = SimulatedZendesk(fields: LocalAccount.fields)
        account.clients = [LocalAccount.client]
        let anHourAgo = Date().timeIntervalSince1970 - 3600
        var values: [Int: JSON] = [LocalAccount.bookingIDField: .string(booking)]
        if let status { values[LocalAccount.bookingStatusField] = .string(tag(status)) }
        account.put(SimulatedTicket(id: 1, subject: "", createdAt: anHourAgo, customFields: values), now: anHourAgo)
        return account
    }
}
