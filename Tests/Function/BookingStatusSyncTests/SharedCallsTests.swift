import Foundation
import Support
import TestSupport
import Testing
import Zendesk
import ZendeskSimulator

@testable import BookingStatusSync

/// Calls shared by changes in flight, on accounts with every conceivable variant of Zendesk's
/// undocumented behavior.
@Suite("Shared calls")
struct SharedCallsTests {
    /// A record of inserts.
    static func record(_ bookings: [String], to status: String = "Booked") -> String {
        let mods = bookings.map {
            #"{"keysJson":"{\"ID\":\"\#($0)\"}","oldValuesJson":"{}","newValuesJson":"{\"Status\":\"\#(status)\"}"}"#
        }
        return """
            {"commitTimestamp":{"seconds":1795464801,"nanos":0},"serverTransactionId":"t1","recordSequence":"0",
            "tableName":"Bookings","modType":"INSERT","mods":[\(mods.joined(separator: ","))]}
            """
    }

    /// Opens one ticket for each booking, and tickets of other bookings. No booking's ID contains
    /// another one's.
    private static func world(_ count: Int, others: [String], _ prepare: (inout SimulatedZendesk) -> Void = { _ in }) -> HandlerWorld {
        let world = HandlerWorld()
        for number in 0..<count {
            world.open(number + 1, booking: "A-\(number)x")
            world.age(number + 1, by: 600)
        }
        for (index, booking) in others.enumerated() {
            world.open(1000 + index, booking: booking)
            world.age(1000 + index, by: Double(300 + index))
        }
        world.transport.withAccount { account, _ in prepare(&account) }
        return world
    }

    private static func deliverAll(_ world: HandlerWorld, _ bookings: [String]) async {
        for _ in 0..<30 {
            if (try? await world.deliver(record(bookings))) != nil { return }
            world.time.advance(.seconds(61))
        }
        Issue.record("the record is not done after 30 deliveries")
    }

    private static func searches(_ world: HandlerWorld) -> Int { world.transport.requests.count { $0.target.contains("search.json") } }

    // MARK: Searches

    @Test("a lone change makes three calls and does not wait")
    func alone() async throws {
        let world = Self.world(1, others: ["VIP-1", "VIP-2"])
        try await world.deliver(Self.record(["A-0x"]))
        world.time.advance(.seconds(10))
        let begin = world.time.secondsSince1970
        let before = world.transport.requests.count
        try await world.deliver("A-0x", from: "Booked", to: "InStay", at: 9)
        #expect(world.transport.requests.count - before == 3)
        #expect(world.time.secondsSince1970 == begin)
    }

    @Test("a hundred bookings without tickets cost five searches")
    func withoutTickets() async throws {
        let world = Self.world(0, others: ["VIP-1", "VIP-2"])
        try await world.deliver(Self.record(["B-0x"]))
        let before = Self.searches(world)
        try await world.deliver(Self.record((0..<100).map { "A-\($0)x" }))
        #expect(Self.searches(world) - before == 5)
        #expect(world.outcomes.count { $0 == "no_ticket" } == 101)
    }

    @Test(
        "every ticket is found, whatever repeated terms mean",
        arguments: SearchBehavior.RepeatedTerms.allCases,
        [nil, 1, 2, 3, 20, 24]
    )
    func repeatedTerms(repeated: SearchBehavior.RepeatedTerms, maximum: Int?) async throws {
        let world = Self.world(30, others: ["VIP-1", "QT-2", "VIP-3"]) { account in
            account.searchBehavior.repeatedTerms = repeated
            account.searchBehavior.maximumTerms = maximum
        }
        await Self.deliverAll(world, (0..<30).map { "A-\($0)x" })
        #expect((1...30).allSatisfy { world.status($0) == "Booked" })
    }

    @Test("a query too long for the account is split into parts")
    func tooLong() async throws {
        let world = Self.world(30, others: ["VIP-1", "QT-2"]) { $0.searchBehavior.maximumQueryLength = 250 }
        await Self.deliverAll(world, (0..<30).map { "A-\($0)x" })
        #expect((1...30).allSatisfy { world.status($0) == "Booked" })
    }

    @Test("a search with more tickets than fit on a page is split in halves")
    func tooMany() async throws {
        let world = Self.world(20, others: ["VIP-1", "QT-2"])
        for id in 2000..<2150 { world.open(id, booking: "A-3x") }
        for id in 2000..<2150 { world.age(id, by: 600) }
        await Self.deliverAll(world, (0..<20).map { "A-\($0)x" })
        #expect((1...20).allSatisfy { world.status($0) == "Booked" })
        #expect((2000..<2150).allSatisfy { world.status($0) == "Booked" })
    }

    @Test("an account without two tickets that name bookings is searched one booking at a time")
    func noWitnesses() async throws {
        let world = Self.world(0, others: ["VIP-1"])
        try await world.deliver(Self.record(["B-0x"]))
        let before = Self.searches(world)
        try await world.deliver(Self.record((0..<10).map { "A-\($0)x" }))
        // And a few that prove that the index is complete.
        #expect((11...14).contains(Self.searches(world) - before))
    }

    @Test("an ID without a letter or a digit is searched for alone")
    func bareID() async throws {
        let world = Self.world(3, others: ["VIP-1", "QT-2", "-"])
        await Self.deliverAll(world, ["A-0x", "-", "A-1x", "A-2x"])
        #expect((1...3).allSatisfy { world.status($0) == "Booked" })
    }

    /// An account that loses changes if the proof lacks one of its conditions.
    struct Hole: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let others: [String]
        let behavior: @Sendable (inout SearchBehavior) -> Void
        /// The witnesses' booking at the moment of the search.
        var becomes: String?
    }

    static let holes = [
        Hole(testDescription: "no term counts alone", others: ["VIP-1", "QT-2"]) { $0.repeatedTerms = .all },
        Hole(testDescription: "the first term counts", others: ["VIP-1", "QT-2"]) { $0.repeatedTerms = .first },
        Hole(testDescription: "the last term counts", others: ["VIP-1", "QT-2"]) { $0.repeatedTerms = .last },
        Hole(testDescription: "a witness that the other one's term finds, too", others: ["RES-12", "RES-1"]) { $0.repeatedTerms = .first },
        Hole(
            testDescription: "a witness by its ticket, which is of another booking by now",
            others: ["VIP-1", "QT-2"],
            behavior: { $0.maximumTerms = 2 },
            becomes: "A-0x"
        ),
    ]

    @Test("each condition of the proof prevents lost changes", arguments: holes)
    func conditions(hole: Hole) async throws {
        let world = Self.world(10, others: hole.others) { hole.behavior(&$0.searchBehavior) }
        if let booking = hole.becomes {
            let transport = world.transport
            transport.before { request, _ in
                guard request.target.contains("search.json"), request.target.contains("A-1x") else { return nil }
                transport.withAccount { account, now in
                    for id in [1000, 1001] {
                        let text = account.tickets[id]?.text(of: HandlerWorld.bookingField) ?? ""
                        guard request.target.contains("\(text)%22&") else { continue }
                        account.edit(id, now: now - 100) { $0.customFields[HandlerWorld.bookingField] = .string(booking) }
                    }
                }
                return nil
            }
        }
        try await world.deliver(Self.record(["B-0x"]))
        await Self.deliverAll(world, (0..<10).map { "A-\($0)x" })
        #expect((1...10).allSatisfy { world.status($0) == "Booked" })
    }

    @Test("a witness is apart from an ID that neither contains it nor is contained in it, as search compares them")
    func isApart() {
        #expect(Witness.isApart("VIP-1", "QT-2"))
        #expect(!Witness.isApart("RES-12", "RES-1"))
        #expect(!Witness.isApart("res 1", "RES-12"))
    }

    // MARK: Jobs

    /// A burst in which jobs update most tickets.
    private static func burst(_ count: Int = 80, _ prepare: (inout SimulatedZendesk) -> Void) async -> HandlerWorld {
        let world = Self.world(count, others: ["VIP-1", "QT-2"], prepare)
        await deliverAll(world, (0..<count).map { "A-\($0)x" })
        return world
    }

    private static func jobs(_ world: HandlerWorld) -> [OutboundRequest] {
        world.transport.requests.filter { $0.target.contains("update_many") }
    }

    @Test("updates beyond the budget go in jobs once jobs are proven to honor stamps")
    func jobsWrite() async throws {
        let world = await Self.burst { _ in }
        #expect((1...80).allSatisfy { world.status($0) == "Booked" && world.kept($0) != nil })
        let jobs = Self.jobs(world)
        // Two jobs are proofs, and set no fields. The second has the stamps swapped.
        #expect(jobs.prefix(2).allSatisfy { String(decoding: $0.body ?? Data(), as: UTF8.self).contains(#""custom_fields":[]"#) })
        #expect(jobs.count > 2)
        // Half of the budget, and a few tickets that a job left to be looked at.
        #expect(world.transport.writes.count - jobs.count <= 30)
        #expect(world.transport.requests.count < 80)
    }

    @Test("an account whose jobs ignore stamps gets no jobs")
    func stampsIgnored() async throws {
        let world = await Self.burst { $0.jobBehavior.honorsStamps = false }
        #expect((1...80).allSatisfy { world.status($0) == "Booked" })
        #expect(Self.jobs(world).count == 2)
    }

    @Test("a ticket that cannot be updated proves nothing about stamps")
    func failsForItsOwnReasons() async throws {
        let world = Self.world(80, others: []) { account in
            account.jobBehavior.honorsStamps = false
            // The item with the stale stamp fails for its ticket's own limit instead.
            for id in 1...40 { account.limitsOfTickets[id] = 0 }
        }
        for _ in 0..<20 {
            _ = try? await world.deliver(Self.record((0..<80).map { "A-\($0)x" }))
            world.time.advance(.seconds(61))
        }
        #expect((41...80).allSatisfy { world.status($0) == "Booked" })
        #expect(!Self.jobs(world).isEmpty)
        #expect(Self.jobs(world).allSatisfy { String(decoding: $0.body ?? Data(), as: UTF8.self).contains(#""custom_fields":[]"#) })
    }

    @Test(
        "jobs that stall, vanish, fail, lose tags or exceed the limit cost only time",
        arguments: ["stalled", "vanished", "failed", "tags", "too many", "without metadata", "positions"]
    )
    func jobsFail(fault: String) async throws {
        let world = await Self.burst { account in
            switch fault {
            case "stalled": account.faults.stalledJobs = 0.5
            case "vanished": account.faults.vanishedJobs = 0.5
            case "failed": account.faults.failedJobs = 0.5
            case "tags": account.faults.tagsDroppedByJobs = 0.3
            case "too many": account.faults.tooManyJobs = 0.5
            case "without metadata":
                account.faults.tagsDroppedByJobs = 0.3
                account.jobBehavior.keepsMetadata = false
            default: account.jobBehavior.namesPositions = true
            }
        }
        #expect((1...80).allSatisfy { world.status($0) == "Booked" && world.kept($0) != nil })
    }

    @Test("TooManyJobs blocks no other call, whatever its status", arguments: [400, 403, 422, 429, 503])
    func tooManyJobs(status: Int) async throws {
        let world = Self.world(35, others: ["VIP-1", "QT-2"]) { account in
            account.jobBehavior.tooManyStatus = status
            account.faults.tooManyJobs = 1
        }
        try await world.deliver(Self.record((0..<35).map { "A-\($0)x" }))
        // Both halves of the proof.
        #expect(Self.jobs(world).count == 2)
        #expect((1...35).allSatisfy { world.status($0) == "Booked" })
    }

    @Test("no ticket is in two jobs at a time, and no job has more than a hundred tickets")
    func oneJobATicket() async throws {
        let world = await Self.burst(300) { _ in }
        #expect((1...300).allSatisfy { world.status($0) == "Booked" })
        #expect(Self.jobs(world).allSatisfy { String(decoding: $0.body ?? Data(), as: UTF8.self).ranges(of: #""id":"#).count <= 300 })
    }

    @Test("without shared calls, a round has one booking and an update one ticket")
    func single() async throws {
        var world = Self.world(30, others: ["VIP-1", "QT-2"])
        world.settings.sharesCalls = false
        await Self.deliverAll(world, (0..<30).map { "A-\($0)x" })
        #expect((1...30).allSatisfy { world.status($0) == "Booked" })
        #expect(Self.jobs(world).isEmpty)
        #expect(
            world.transport.requests.filter { $0.target.contains("search.json") }.allSatisfy {
                $0.target.ranges(of: "custom_field").count == 1
            }
        )
    }

    // MARK: Parking

    /// Delivers a change beside another event, which takes half a minute.
    private func besideAnother(_ world: HandlerWorld, _ deliver: @escaping @Sendable () async throws -> Void) async throws {
        world.transport.delay { $0.target.contains("search.json") && $0.target.contains("Slow") ? .seconds(9) : nil }
        try await world.time.run {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try? await world.deliver("Slow-9y", from: "Booked", to: "InStay", at: 5) }
                try await world.time.source.sleep(.milliseconds(10))
                try await deliver()
                group.cancelAll()
            }
        }
    }

    @Test("a change that waits for its predecessor is applied together with it")
    func parked() async throws {
        let world = Self.world(1, others: [])
        world.setByHand(1, "Tentative")
        world.age(1, by: 600)
        try await besideAnother(world) {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await world.deliver("A-0x", from: "Booked", to: "InStay", at: 5) }
                try await world.time.wait { world.transport.requests.contains { $0.target.contains("show_many") } }
                group.addTask { try await world.deliver("A-0x", from: "Tentative", to: "Booked", at: 4) }
                try await group.waitForAll()
            }
        }
        #expect(world.status(1) == "InStay")
    }

    @Test("a parked change keeps its tickets even if the search of the change that wakes it misses them")
    func parkedAndFlapping() async throws {
        let world = Self.world(1, others: [])
        world.setByHand(1, "Tentative")
        world.age(1, by: 600)
        let transport = world.transport
        transport.before { request, _ in
            let searches = transport.requests.count { $0.target.contains("search.json") }
            guard request.target.contains("search.json"), searches > 2 else { return nil }
            return OutboundResponse(status: 200, body: Data(#"{"results":[],"count":0,"next_page":null}"#.utf8))
        }
        try await besideAnother(world) {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try? await world.deliver("A-0x", from: "Booked", to: "InStay", at: 5) }
                try await world.time.wait { world.transport.requests.contains { $0.target.contains("show_many") } }
                group.addTask { try? await world.deliver("A-0x", from: "Tentative", to: "Booked", at: 4) }
                try await group.waitForAll()
            }
        }
        #expect(!world.outcomes.contains("no_ticket"))
    }

    @Test("a parked change is read once more after five seconds, then refused")
    func parkedInVain() async throws {
        let world = Self.world(1, others: [])
        world.setByHand(1, "Tentative")
        world.age(1, by: 600)
        let begin = world.time.secondsSince1970
        try await besideAnother(world) {
            await #expect(throws: (any Error).self) { try await world.deliver("A-0x", from: "Booked", to: "InStay", at: 5) }
        }
        // A second for the search that hangs, and five.
        #expect((5..<6.1).contains(world.time.secondsSince1970 - begin))
        #expect(world.outcomes.first == "1 waiting")
        #expect(world.transport.requests.count { $0.target.contains("show_many") || $0.target.contains("tickets/1.") } == 2)
    }

    @Test("a change alone in flight does not wait for its predecessor, which could not arrive meanwhile")
    func parkedAlone() async throws {
        let world = Self.world(1, others: [])
        world.setByHand(1, "Tentative")
        world.age(1, by: 600)
        let begin = world.time.secondsSince1970
        await #expect(throws: (any Error).self) { try await world.deliver("A-0x", from: "Booked", to: "InStay", at: 5) }
        #expect(world.time.secondsSince1970 == begin)
    }
}
