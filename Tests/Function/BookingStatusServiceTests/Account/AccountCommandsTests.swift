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
