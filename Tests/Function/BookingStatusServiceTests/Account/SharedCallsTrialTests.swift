import BookingStatusSync
import TestSupport
import Testing
import Support
import Zendesk
import ZendeskSimulator

@testable import BookingStatusService

@Suite("Shared calls trial")
struct SharedCallsTrialTests {
    static func world(_ change: (inout SimulatedZendesk) -> Void = { _ in }) -> SetupWorld {
        .complete { account in
            for (id, booking) in [(71, "BK-1"), (72, "RES-2"), (73, "BK-11")] {
                let fields: [Int: JSON] = [1001: .string(booking), 1003: "what was there"]
                let ticket = SimulatedTicket(id: id, subject: "", createdAt: 1_795_461_300, customFields: fields)
                account.put(ticket, now: 1_795_461_300)
            }
            change(&account)
        }
    }

    private static func findings(_ world: SetupWorld, _ tickets: (Int, Int) = (71, 72)) async -> [Finding] {
        let settings = CheckedSettings(
            bookingStatus: BookingStatusSettings(bookingIDField: 1001, bookingStatusField: 1002, bookingVersionField: 1003, tags: [:]),
            wanted: SetupWorld.wanted,
            readsPerMinute: 350,
            writesPerMinute: 50
        )
        let deadline = Deadline(after: .seconds(240), world.time.source)
        return await SharedCallsTrial(world.zendesk, settings, tickets: tickets, deadline: deadline, time: world.time.source).findings()
    }

    /// The trial leaves no trace but in the tickets' histories.
    private static func isRestored(_ world: SetupWorld) -> Bool {
        world.transport.withAccount { account, _ in
            [71, 72, 73].allSatisfy { account.tickets[$0]?.text(of: 1003) == "what was there" }
        }
    }

    @Test("an account that supports shared searches and jobs passes, and its tickets are restored")
    func both() async {
        let world = Self.world()
        let findings = await Self.findings(world)
        #expect(findings.map(\.severity) == [.good, .good])
        #expect(Self.isRestored(world))
        #expect(world.transport.withAccount { account, _ in account.tickets[72]?.audits.count } == 2)
        #expect(world.transport.withAccount { account, _ in account.tickets[71]?.audits.count } == 0)
    }

    @Test("an account whose jobs ignore stamps gets a warning with the cost, and its tickets are restored")
    func ignored() async {
        let world = Self.world { $0.jobBehavior.honorsStamps = false }
        let findings = await Self.findings(world)
        #expect(findings.last?.severity == .warning)
        #expect(findings.last?.text.contains("jobs ignore stamps") == true)
        #expect(findings.last?.advice?.contains("50 a minute") == true)
        #expect(Self.isRestored(world))
    }

    @Test(
        "a search that misses one of the two gives a warning with the cost",
        arguments: [SearchBehavior.RepeatedTerms.all, .first, .last]
    )
    func search(repeated: SearchBehavior.RepeatedTerms) async {
        let findings = await Self.findings(Self.world { $0.searchBehavior.repeatedTerms = repeated })
        #expect(findings.first?.severity == .warning)
        #expect(findings.first?.advice?.contains("116 changes a minute") == true)
    }

    @Test("a job that does nothing gives a warning, and so does one job too many", arguments: ["failed", "too many", "stalled"])
    func jobs(fault: String) async {
        let world = Self.world { account in
            switch fault {
            case "failed": account.faults.failedJobs = 1
            case "too many": account.faults.tooManyJobs = 1
            default: account.faults.vanishedJobs = 1
            }
        }
        let findings = await Self.findings(world)
        // A job that cannot be seen may have worked: the tickets tell.
        #expect(findings.last?.severity == (fault == "stalled" ? .good : .warning))
        #expect(Self.isRestored(world))
    }

    @Test("unsuitable tickets are refused before anything is written", arguments: [(7, 71), (71, 73), (71, 99)])
    func unfit(tickets: (Int, Int)) async {
        let world = Self.world()
        #expect(await Self.findings(world, tickets).map(\.severity) == [.problem])
        #expect(world.changes.isEmpty)
    }
}
