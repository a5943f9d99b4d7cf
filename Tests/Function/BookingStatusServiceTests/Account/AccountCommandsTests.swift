import Foundation
import Support
import TestSupport
import Testing
import ZendeskSimulator

@testable import BookingStatusService

@Suite("setup and check")
struct AccountCommandsTests {
    private static let account = [
        "ZENDESK_URL": "https://example.zendesk.com", "ZENDESK_ACCESS_TOKEN": "t",
        "BOOKING_STATUS_TAGS": "InStay=booking_1_in_stay,Booked=booking_2_booked",
    ]
    private static let fields = [
        "ZENDESK_BOOKING_ID_FIELD": "1001", "ZENDESK_BOOKING_STATUS_FIELD": "1002", "ZENDESK_BOOKING_VERSION_FIELD": "1003",
    ]

    private func run(
        _ variables: [String: String],
        on world: SetupWorld,
        _ command: (AccountCommands) async throws -> Int32
    ) async throws -> (status: Int32, lines: [String]) {
        let lines = Locked<[String]>([])
        let commands = AccountCommands(
            environment: { variables[$0] },
            connect: { [transport = world.transport] origin in
                #expect(origin == "https://example.zendesk.com")
                return transport
            },
            time: world.time.source,
            print: { line in lines.withLock { $0.append(line) } }
        )
        return (try await command(commands), lines.value)
    }

    @Test("setup needs only the account and the tags, plans first, then prints the settings that it made")
    func setUp() async throws {
        let world = SetupWorld()
        let planned = try await run(Self.account, on: world) { try await $0.setUp(isMeant: false) }
        #expect(planned.status == 0)
        #expect(planned.lines.last == "Nothing was changed. Run again with --yes to apply.")
        let dry = try await run(Self.account.merging(["DRY_RUN": "true"]) { $1 }, on: world) { try await $0.setUp(isMeant: true) }
        #expect(dry.lines.last == "Nothing was changed. Run again with DRY_RUN=false and --yes to apply.")
        #expect(world.changes.isEmpty)
        let done = try await run(Self.account, on: world) { try await $0.setUp(isMeant: true) }
        #expect(done.status == 0)
        #expect(world.changes.count == 4)
        #expect(done.lines.last?.contains("\nZENDESK_BOOKING_STATUS_FIELD=") == true)
        #expect(done.lines.last?.contains("\nBOOKING_STATUS_TAGS=InStay=booking_1_in_stay,Booked=booking_2_booked") == true)
        let again = try await run(Self.account, on: world) { try await $0.setUp(isMeant: true) }
        #expect(again.status == 0)
        #expect(world.changes.count == 4)
    }

    @Test("setup names every missing setting, and sends no credentials in the clear")
    func faults() async throws {
        for (variables, names) in [
            ([:], ["ZENDESK_URL", "ZENDESK_CLIENT_ID", "BOOKING_STATUS_TAGS"]),
            (Self.account.merging(["ZENDESK_URL": "http://example.com"]) { $1 }, ["ZENDESK_URL"]),
        ] {
            await #expect {
                try await run(variables, on: SetupWorld()) { try await $0.setUp(isMeant: true) }
            } throws: { error in
                let faults = (error as? ConfigurationFaults)?.faults ?? []
                return faults.count == names.count && zip(faults, names).allSatisfy { $0.hasPrefix($1) }
            }
        }
    }

    @Test("setup --webhook creates it once, keeps what it is subscribed to, and writes the secret to a private file")
    func webhook() async throws {
        let world = SetupWorld()
        let folder = FileManager.default.temporaryDirectory.appending(path: "webhook-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appending(path: "secret").path
        var wanted = WantedWebhook(endpoint: "https://r.example.com/")
        func setUp(_ isMeant: Bool) async throws -> [String] {
            let ended = try await run(Self.account, on: world) { try await $0.setUp(wanted, secretFile: file, isMeant: isMeant) }
            #expect(ended.status == 0)
            return ended.lines
        }
        func secret() throws -> String { try String(contentsOfFile: file, encoding: .utf8) }
        func isPrivate() throws -> Bool { try FileManager.default.attributesOfItem(atPath: file)[.posixPermissions] as? Int == 0o600 }
        let planned = try await setUp(false)
        #expect(
            planned == [
                "  create the webhook: https://r.example.com/, zen:event-type:ticket.created",
                "Nothing was changed. Run again with --yes to apply.",
            ]
        )
        #expect(world.changes.isEmpty)
        _ = try await setUp(true)
        #expect(world.changes.count == 1)
        #expect(try secret() == "secret-webhook-1")
        #expect(try isPrivate())
        let lines = try await setUp(true)
        #expect(lines.first?.hasPrefix("  found the webhook (webhook-1): ") == true)
        #expect(lines.allSatisfy { !$0.contains("secret-webhook") })
        #expect(world.changes.count == 1)

        wanted.fieldChanges = true
        world.transport.withAccount { account, _ in
            (account.webhooks[0].isActive, account.webhooks[0].secret) = (false, "another")
        }
        _ = try await setUp(true)
        world.transport.withAccount { account, _ in
            #expect(account.webhooks.count == 1 && account.webhooks[0].isActive)
            #expect(account.webhooks[0].subscriptions == wanted.subscriptions)
            #expect(account.unknownRequests.isEmpty)
        }
        #expect(try secret() == "another,secret-webhook-1")
        #expect(try isPrivate())
    }

    @Test("setup --webhook says what it cannot do")
    func webhookFailures() async throws {
        let world = SetupWorld()
        let wanted = WantedWebhook(endpoint: "https://r.example.com/")
        let unwritable = try await run(Self.account, on: world) { try await $0.setUp(wanted, secretFile: "/nowhere/f", isMeant: true) }
        #expect(unwritable.status == 1 && unwritable.lines.last?.contains("/nowhere/f cannot be written") == true)
        world.transport.withAccount { account, _ in account.user.mayAdminister = false }
        let refused = try await run(Self.account, on: world) { try await $0.setUp(wanted, secretFile: "/nowhere/f", isMeant: true) }
        #expect(refused.status == 1 && refused.lines.last?.hasPrefix("stopped: ") == true)
    }

    struct Invocations: Sendable {
        let calls: [(String, Int?)]
        let isGood: Bool
        let text: String
    }

    @Test(
        "check says whether the webhook is there, active and not held back",
        arguments: [
            Invocations(calls: [], isGood: false, text: "no webhook"),
            Invocations(calls: [("success", 204)], isGood: true, text: "is active; 0 of its last 1 requests failed"),
            Invocations(
                calls: [("failed", 401), ("failed", 401), ("success", 204)],
                isGood: false,
                text: "2 of the webhook's last 3 requests failed (failed 401)"
            ),
            Invocations(
                calls: [("circuit broken", nil), ("failed", 503)],
                isGood: false,
                text: "Zendesk holds the webhook's requests back"
            ),
            Invocations(calls: [("failed", 503), ("success", 204), ("success", 204)], isGood: true, text: "1 of its last 3"),
        ]
    )
    func checkWebhook(invocations: Invocations) async throws {
        let world = SetupWorld()
        _ = try await run(Self.account, on: world) { try await $0.setUp(isMeant: true) }
        let url = "https://r.example.com/"
        if !invocations.calls.isEmpty {
            world.transport.withAccount { account, _ in
                let subscriptions = [SimulatedZendesk.ticketCreated]
                account.webhooks = [.init(id: "w", name: "n", endpoint: url, subscriptions: subscriptions, secret: "s")]
                for (status, code) in invocations.calls.reversed() { account.invoked("w", status: status, code: code) }
            }
        }
        let variables = Self.account.merging(Self.fields) { $1 }
        let checked = try await run(variables, on: world) { try await $0.check(tickets: [], webhook: url, isMeant: false) }
        let line = try #require(checked.lines.first { $0.contains(invocations.text) }, "\(checked.lines)")
        #expect(line.hasPrefix("problem") == !invocations.isGood)
        world.transport.withAccount { account, _ in #expect(account.unknownRequests.isEmpty) }
    }

    @Test("statuses that share a tag share its option")
    func sharedTag() async throws {
        let world = SetupWorld()
        let variables = Self.account.merging(["BOOKING_STATUS_TAGS": "Booked=b,Confirmed=b"]) { $1 }
        #expect(try await run(variables, on: world) { try await $0.setUp(isMeant: true) }.status == 0)
        let field = try #require(world.changes.first.flatMap(\.body))
        #expect(String(decoding: field, as: UTF8.self).components(separatedBy: #""value":"b""#).count == 2)
    }

    @Test("check of an account that cannot be reached asks once")
    func unreachable() async throws {
        let world = SetupWorld()
        world.transport.before { _, _ throws(OutboundError) in throw .notSent("nobody listens") }
        let result = try await run(Self.account.merging(Self.fields) { $1 }, on: world) { try await $0.check(tickets: [7], isMeant: false) }
        #expect(result.status == 1)
        #expect(result.lines.count { $0.hasPrefix("problem  ") } == 1)
        #expect(Set(world.transport.requests.map(\.target)) == ["/api/v2/users/me.json"])
    }

    @Test("setup stops at what a person has to fix first")
    func obstacle() async throws {
        let world = SetupWorld(fields: [TicketField(id: 1, title: "Booking ID"), TicketField(id: 2, title: "Booking ID")])
        let result = try await run(Self.account, on: world) { try await $0.setUp(isMeant: true) }
        #expect(result.status == 1)
        #expect(result.lines.first == "fix this first:")
        #expect(world.changes.isEmpty)
    }

    @Test("check exits with 1 if there is a problem, changes nothing, and needs the function's own settings")
    func check() async throws {
        let settings = Self.account.merging(Self.fields) { $1 }
        let well = try await run(settings, on: .complete()) { try await $0.check(tickets: [], isMeant: false) }
        #expect(well.status == 0, "\(well.lines)")
        #expect(well.lines.contains { $0.hasPrefix("ok       ") })
        let world = SetupWorld()
        let wrong = try await run(settings, on: world) { try await $0.check(tickets: [], isMeant: false) }
        #expect(wrong.status == 1)
        #expect(wrong.lines.contains { $0.hasPrefix("problem  ") })
        #expect(world.changes.isEmpty)
        await #expect(throws: ConfigurationFaults.self) {
            try await run(Self.account, on: world) { try await $0.check(tickets: [], isMeant: false) }
        }
    }

    @Test("check writes to two tickets only if it is told to, and never in a dry run")
    func trial() async throws {
        let settings = Self.account.merging(Self.fields) { $1 }
        let world = SharedCallsTrialTests.world()
        func jobs() -> Int { world.transport.requests.count { $0.target.contains("update_many") } }
        let planned = try await run(settings, on: world) { try await $0.check(tickets: [71, 72], isMeant: false) }
        #expect(planned.lines.contains("Nothing was written. Run again with --yes to try it."))
        let dry = try await run(settings.merging(["DRY_RUN": "true"]) { $1 }, on: world) {
            try await $0.check(tickets: [71, 72], isMeant: true)
        }
        #expect(dry.lines.contains { $0.contains("DRY_RUN is set") })
        #expect(jobs() == 0)
        let tried = try await run(settings, on: world) { try await $0.check(tickets: [71, 72], isMeant: true) }
        #expect(tried.lines.contains { $0.contains("jobs honor stamps") }, "\(tried.lines)")
        #expect(jobs() == 1)
    }
}
