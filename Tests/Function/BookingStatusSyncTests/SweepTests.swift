import FunctionRuntime
import Support
import Foundation
import InMemoryLogging
import Logging
import SpannerChangeStreams
import Synchronization
import TestSupport
import Testing
import Zendesk
import ZendeskSimulator

@testable import BookingStatusSync

@Suite("The sweep")
struct SweepTests {
    @Test(
        "fills tickets that no change reached, with a list, a query and one update per ticket; a second run writes nothing, a third is idle"
    )
    func fills() async throws {
        let world = HandlerWorld()
        for id in 1...5 {
            world.open(id, booking: "BK-\(id % 2)")
            world.age(id, by: 60)
        }
        world.bookings.set("BK-0", "Booked")
        world.bookings.set("BK-1", "InStay")
        try await world.sweep()
        #expect((1...5).map(world.status) == ["InStay", "Booked", "InStay", "Booked", "InStay"])
        #expect(world.kept(1) == "tag_InStay since 2026-11-23T20:14:59.123Z, record 0, transaction sweep, booking BK-1")
        #expect(world.bookings.state.withLock(\.reads) == [["BK-0", "BK-1"]])
        let targets = world.transport.requests.map { String($0.target.prefix { $0 != "?" }) }
        // The other three look for the fields.
        #expect(targets.count == 3 + 1 + 5)
        #expect(targets[0] == "/api/v2/tickets.json")
        let metadata = world.transport.withAccount { account, _ in account.tickets[1]?.audits.last?.metadata }
        #expect(metadata?["task"]?.string == "sweep")

        world.time.advance(.seconds(60))
        let writes = world.transport.writes.count
        try await world.sweep()
        #expect(world.transport.writes.count == writes)
        #expect(world.transport.requests.count == targets.count + 3 + 1)
        #expect(world.bookings.state.withLock(\.reads).count == 2)

        // Search may not show them yet, so a change may have missed them.
        world.time.advance(.seconds(60))
        try await world.sweep()
        #expect(world.bookings.state.withLock(\.reads).count == 3)

        for _ in 0..<2 { world.time.advance(.seconds(900)) }
        try await world.sweep()
        let before = world.transport.requests.count
        world.time.advance(.seconds(60))
        try await world.sweep()
        #expect(world.transport.requests.count - before <= 3)
        #expect(world.bookings.state.withLock(\.reads).count <= 4)
    }

    @Test("each sweep logs the budget usage of the last minute")
    func usage() async throws {
        let world = HandlerWorld()
        for id in 1...5 {
            world.open(id, booking: "BK-1")
            world.age(id, by: 60)
        }
        world.bookings.set("BK-1", "InStay")
        try await world.sweep()
        world.time.advance(.seconds(30))
        let used = world.transport.requests.count
        try await world.sweep()
        let lines = world.log.entries.filter { $0.message == "calls of the last minute" }.map(\.metadata)
        #expect(lines.map { $0["writes"]?.description } == ["0", "5"])
        #expect(lines.map { $0["reads"]?.description } == ["0", "\(used - 5)"])
        #expect(lines.map { $0["read_limit"]?.description } == ["350", "350"])
    }

    @Test("the next sweep repairs a new ticket that a change missed because search did not show it yet")
    func missedByChange() async throws {
        let world = HandlerWorld()
        world.open(2, booking: "other")
        world.transport.withAccount { account, _ in account.searchLag = 600...600 }
        world.open(1, booking: "b")
        world.age(1, by: 30)
        world.bookings.set("b", "Booked")
        for _ in 0..<3 {
            try await world.sweep()
            world.time.advance(.seconds(60))
        }
        #expect(world.status(1) == "Booked")
        world.bookings.set("b", "InStay")
        try await world.deliver("b", from: "Booked", to: "InStay", at: 300)
        #expect(world.status(1) == "Booked")
        world.time.advance(.seconds(60))
        world.bookings.state.withLock { state in
            state.readTimestamp = CommitTimestamp(seconds: 1_795_465_110, nanoseconds: 0, precision: .microseconds)
        }
        try await world.sweep()
        #expect(world.status(1) == "InStay")
    }

    @Test("a new ticket is filled at once, even before search knows it", arguments: [true, false], [true, false])
    func newTicket(isSorted: Bool, hasFields: Bool) async throws {
        let world = HandlerWorld()
        world.transport.withAccount { account, _ in
            account.searchLag = 3000...3000
            account.listForm.isSorted = isSorted
            account.listForm.hasCustomFields = hasFields
        }
        for id in 1...250 {
            world.open(id, booking: "old-\(id)x")
            world.age(id, by: Double(5000 - id))
        }
        world.open(300, booking: "b")
        world.age(300, by: 30)
        world.bookings.set("b", "InStay")
        try await world.sweep()
        #expect(world.status(300) == "InStay")
        // If the list is sorted, the first page shows that the rest is old.
        #expect(world.transport.requests.count { $0.target.contains("tickets.json") } == (isSorted ? 1 : 3))
        #expect(world.bookings.state.withLock(\.reads) == [["b"]])
    }

    @Test("a pass cut short by its limit logs that once, and the next ones continue where it stopped")
    func cut() async throws {
        let world = HandlerWorld()
        for id in 1...3100 {
            world.open(id, booking: "b-\(id)x")
            world.age(id, by: id > 3000 ? 800 : 600)
        }
        try await world.sweep()
        #expect(world.log.entries.contains { $0.level == .warning && "\($0.metadata["reason"] ?? "")".contains("more tickets") })
        #expect(world.transport.requests.count { $0.target.contains("tickets.json") } == 30)
        // Leftover tickets are looked at, even if their update is long past by then. A new one is
        // looked at once the sweep has caught up.
        world.time.advance(.seconds(300))
        world.open(4000, booking: "b-4000x")
        for id in [3050, 4000] { world.bookings.set("b-\(id)x", "Booked") }
        world.age(4000, by: 60)
        try await world.sweep()
        #expect(world.status(3050) == "Booked")
        #expect(world.log.entries.count { $0.level == .warning } == 1)
        world.time.advance(.seconds(60))
        try await world.sweep()
        #expect(world.status(4000) == "Booked")
    }

    @Test(
        "a ticket that always fails costs one try in ten minutes, whatever its status code, and holds nothing back",
        arguments: [403, 500]
    )
    func alwaysFails(status: Int) async throws {
        let world = HandlerWorld()
        for id in 1...2 { world.open(id, booking: "b-\(id)") }
        for id in 1...2 { world.age(id, by: 60) }
        for id in 1...3 { world.bookings.set("b-\(id)", "Booked") }
        world.transport.before { request, _ in
            request.method == .put && request.target.contains("/1.") ? OutboundResponse(status: status, body: Data()) : nil
        }
        var sweepsWithTries = 0
        for minute in 0..<45 {
            if minute == 30 {
                world.open(3, booking: "b-3")
                world.age(3, by: 10)
            }
            let before = world.transport.writes.count { $0.target.contains("/1.") }
            try await world.sweep()
            if world.transport.writes.count(where: { $0.target.contains("/1.") }) > before { sweepsWithTries += 1 }
            world.time.advance(.seconds(60))
        }
        #expect((2...3).map(world.status) == ["Booked", "Booked"])
        // Twice in the beginning, then every ten minutes.
        #expect((5...6).contains(sweepsWithTries))
    }

    @Test("checks tickets updated in the last fifteen minutes, whatever their field shows, except solved ones")
    func window() async throws {
        let world = HandlerWorld()
        for id in 1...4 { world.open(id, booking: "b") }
        world.age(1, by: 890)
        world.age(2, by: 901)
        world.transport.withAccount { account, now in account.edit(3, now: now - 60) { $0.status = "solved" } }
        world.setByHand(4, "Tentative")
        world.time.advance(.seconds(5))
        world.bookings.set("b", "Booked")
        try await world.sweep()
        #expect((1...4).map(world.status) == ["Booked", nil, nil, "Tentative"])
        #expect(world.outcomes.contains("4 unexpected_status"))
    }

    @Test("if Spanner does not have the booking, our status is cleared; anything else is reported once")
    func unknownBooking() async throws {
        let world = HandlerWorld()
        world.open(1, booking: "gone")
        world.open(2, booking: "never")
        world.open(3, booking: "no-status", status: "Booked")
        try await world.deliver("gone", from: nil, to: "Booked", at: 1)
        world.bookings.set("no-status", nil)
        world.transport.withAccount { account, now in account.edit(2, now: now) { $0.subject = "?" } }
        world.transport.withAccount { account, now in account.edit(3, now: now) { $0.subject = "?" } }
        world.time.advance(.seconds(5))
        try await world.sweep()
        #expect((1...3).map(world.status) == [nil, nil, "Booked"])
        #expect(world.outcomes.filter { $0.hasSuffix("unknown_booking") } == ["2 unknown_booking"])
        #expect(world.outcomes.contains("1 cleared"))
        world.time.advance(.seconds(60))
        try await world.sweep()
        #expect(world.outcomes.filter { $0.hasSuffix("unknown_booking") } == ["2 unknown_booking"])
    }

    @Test("if the database lacks most bookings, no ticket is cleared until a person approves")
    func wrongDatabase() async throws {
        var world = HandlerWorld()
        for id in 1...30 { world.open(id, booking: "b-\(id)x") }
        for id in 1...30 { try await world.deliver("b-\(id)x", from: nil, to: "Booked", at: 1) }
        // One that a person removed the booking from, and one that is there, go on.
        world.bookings.set("b-1x", "InStay")
        world.time.advance(.seconds(61))
        try await world.sweep()
        #expect(world.status(1) == "InStay")
        #expect((2...30).allSatisfy { world.status($0) == "Booked" })
        let line = try #require(world.log.entries.first { $0.metadata["outcome"] == "clears_held" })
        #expect(line.level == .error)
        #expect(line.metadata["looked_up"] == .stringConvertible(30) && line.metadata["absent"] == .stringConvertible(29))
        world.settings.sweepMayClear = true
        await sweepUntilDone(world)
        #expect((2...30).allSatisfy { world.status($0) == nil })
    }

    @Test("a full sweep whose first bookings are absent goes back to them once it has seen the others")
    func absentFirst() async throws {
        let world = HandlerWorld()
        for id in 1...300 {
            world.open(id, booking: "b-\(id)x", status: "Booked")
            world.age(id, by: Double(100_000 - id))
            if id > 60 { world.bookings.set("b-\(id)x", "Booked") }
        }
        world.transport.withAccount { account, now in
            for var ticket in account.tickets.values {
                let kept = KeptVersion(bookingID: "b-\(ticket.id)x", version: version(-1000), tag: "tag_Booked")
                ticket.customFields[HandlerWorld.versionField] = .string(kept.text)
                account.put(ticket, now: now)
            }
        }
        let report = try await world.sweepAll()
        #expect(report.held == 0)
        #expect((1...60).allSatisfy { world.status($0) == nil })
        #expect((61...300).allSatisfy { world.status($0) == "Booked" })
        #expect(world.log.entries.contains { $0.metadata["outcome"] == "clears_held" })
    }

    @Test("deleted bookings among many are cleared, and a few are cleared before it is known")
    func fewDeleted() async throws {
        for (all, deleted) in [(30, 15), (19, 19)] {
            let world = HandlerWorld()
            for id in 1...all { world.open(id, booking: "b-\(id)x") }
            for id in 1...all { try await world.deliver("b-\(id)x", from: nil, to: "Booked", at: 1) }
            for id in 1...all where id > deleted { world.bookings.set("b-\(id)x", "Booked") }
            await sweepUntilDone(world)
            #expect((1...deleted).allSatisfy { world.status($0) == nil })
        }
    }

    /// A minute's budget may not be enough.
    private func sweepUntilDone(_ world: HandlerWorld) async {
        for _ in 0..<4 {
            world.time.advance(.seconds(61))
            try? await world.sweep()
        }
    }

    @Test("a ticket that a page lists twice is written once")
    func listedTwice() async throws {
        let world = HandlerWorld()
        world.open(1, booking: "b")
        world.age(1, by: 60)
        world.bookings.set("b", "Booked")
        world.transport.before { [transport = world.transport] request, _ in
            guard request.target.contains("sort=-updated_at") else { return nil }
            let answer = transport.withAccount { account, now in account.respond(to: .init(method: "GET", target: request.target), now: now)
            }
            let text = String(decoding: answer.body, as: UTF8.self)
            guard let start = text.range(of: #""tickets":["#), let end = text.range(of: #"],"meta""#) else { return nil }
            let tickets = text[start.upperBound..<end.lowerBound]
            let body = Data((text[..<end.lowerBound] + "," + tickets + text[end.lowerBound...]).utf8)
            return OutboundResponse(status: 200, headers: answer.headers, body: body)
        }
        try await world.sweep()
        #expect(world.status(1) == "Booked")
        #expect(world.transport.writes.count == 1)
        #expect(world.outcomes.count { $0 == "1 added" } == 1)
    }

    @Test("a ticket whose booking ID was corrected follows its new booking, unless a person set its status")
    func correctedBooking() async throws {
        let world = HandlerWorld()
        for id in 1...3 { world.open(id, booking: "wrong") }
        try await world.deliver("wrong", from: nil, to: "Booked", at: 1)
        world.setByHand(2, "CheckedOut")
        for (id, booking) in [(1, "right"), (2, "right"), (3, "unknown")] {
            world.transport.withAccount { account, now in
                account.edit(id, now: now) { $0.customFields[HandlerWorld.bookingField] = .string(booking) }
            }
        }
        world.bookings.set("right", "InStay")
        world.time.advance(.seconds(5))
        try await world.sweep()
        #expect((1...3).map(world.status) == ["InStay", "CheckedOut", nil])
    }

    @Test("a status without a configured tag is reported and does not block other tickets")
    func unknownStatus() async throws {
        let world = HandlerWorld()
        for id in 1...2 { world.open(id, booking: "b-\(id)") }
        for id in 1...2 { world.age(id, by: 60) }
        world.bookings.set("b-1", "Elsewhere")
        world.bookings.set("b-2", "Booked")
        try await world.sweep()
        #expect((1...2).map(world.status) == [nil, "Booked"])
        #expect(world.outcomes.contains("1 unknown_status"))
    }

    @Test("leaves half of the updates to live changes; a sweep that needs more is refused and retried")
    func yields() async throws {
        var world = HandlerWorld()
        world.settings.sharesCalls = false
        for id in 1...40 {
            world.open(id, booking: "b")
            world.age(id, by: 60)
        }
        world.bookings.set("b", "Booked")
        await #expect(throws: FunctionFailure.self) { try await world.sweep() }
        #expect((10...25).contains(world.transport.writes.count))
        world.open(50, booking: "live")
        world.age(50, by: 60)
        try await world.deliver("live", from: nil, to: "InStay", at: 2)
        #expect(world.status(50) == "InStay")
        for _ in 0..<3 {
            world.time.advance(.seconds(61))
            try? await world.sweep()
        }
        #expect((1...40).allSatisfy { world.status($0) == "Booked" })
    }

    @Test("without a database, a sweep is refused for good, with the reason")
    func noDatabase() async throws {
        var world = HandlerWorld()
        world.withoutDatabase()
        await #expect {
            try await world.sweep()
        } throws: { error in
            guard case .unprocessable(let reason)? = error as? FunctionFailure else { return false }
            return reason.contains("SPANNER_DATABASE is not set")
        }
        #expect(world.transport.requests.isEmpty)
    }

    @Test("if the database does not answer, nothing is changed and the message is retried")
    func databaseDown() async throws {
        let world = HandlerWorld()
        world.open(1, booking: "b")
        world.age(1, by: 60)
        world.bookings.state.withLock { $0.error = BookingSourceError("Spanner answers 503") }
        await #expect {
            try await world.sweep()
        } throws: { error in
            guard case .tryAgain(_, let reason)? = error as? FunctionFailure else { return false }
            return reason.contains("Spanner answers 503")
        }
        #expect(world.transport.writes.isEmpty)
    }

    @Test("a sweep older than the last one is superseded")
    func superseded() async throws {
        let world = HandlerWorld()
        try await world.sweep()
        let requests = world.transport.requests.count
        try await world.sweep(publishedBefore: 60)
        #expect(world.transport.requests.count == requests)
        #expect(world.outcomes.last == "superseded")
        try await world.sweep(publishedBefore: 0)
        #expect(world.transport.requests.count > requests)
    }

    @Test("sweeps run one at a time: meanwhile an older one is superseded and a newer one waits")
    func oneAtATime() async throws {
        let world = HandlerWorld()
        world.open(1, booking: "b")
        world.age(1, by: 60)
        world.bookings.set("b", "Booked")
        let isReading = Locked(false)
        world.bookings.state.withLock { state in
            state.duringFirstRead = {
                try? await world.sweep(publishedBefore: 90)
                #expect(world.outcomes.last == "superseded")
                isReading.withLock { $0 = true }
                try? await world.time.source.sleep(.seconds(1))
                #expect(world.bookings.state.withLock(\.reads.count) == 1)
            }
        }
        try await world.time.run {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await world.sweep(publishedBefore: 30) }
                try await world.time.wait { isReading.value }
                group.addTask { try await world.sweep(publishedBefore: 0) }
                try await group.waitForAll()
            }
        }
        #expect(world.status(1) == "Booked")
        #expect(world.bookings.state.withLock(\.reads.count) == 2)
    }

    @Test("a full sweep pages through every unsolved ticket and reports its repairs and the time it has reached")
    func everything() async throws {
        let world = HandlerWorld()
        for id in 1...250 {
            world.open(id, booking: "b-\(id % 130)")
            world.age(id, by: Double(3500 - id))
        }
        for id in 0..<130 { world.bookings.set("b-\(id)", "Booked") }
        try await world.deliver("b-7", from: nil, to: "Tentative", at: 1, remaining: .seconds(100))
        world.time.advance(.seconds(61))
        let seen = ManualProgress()
        let report = try await world.sweepAll { seen.add($0) }
        #expect((1...250).allSatisfy { world.status($0) == "Booked" })
        #expect(report.tickets == 250)
        #expect(report.written == 250)
        // A later change, which never arrived, overtook the change that we had.
        #expect(report.repaired == 2)
        #expect(seen.tickets == [100, 200, 250])
        #expect(report.seenUpTo == Int64(world.transport.withAccount { account, _ in account.tickets[250]?.createdAt ?? 0 }))
    }

    @Test("a full sweep steps over a ticket that it cannot read, counts it and names it", arguments: [403, 504])
    func stepsOver(status: Int) async throws {
        let world = HandlerWorld()
        for id in 1...120 {
            world.open(id, booking: "b-\(id)")
            world.age(id, by: Double(3500 - id))
            world.bookings.set("b-\(id)", "Booked")
        }
        world.transport.before { request, _ in
            let ids = request.target.contains("show_many.json?ids") ? request.target.split(separator: "=").last?.split(separator: ",") : nil
            let isHit = ids?.contains("77") ?? request.target.contains("/tickets/77.")
            return isHit ? OutboundResponse(status: status, body: Data()) : nil
        }
        let report = try await world.sweepAll()
        #expect((1...120).filter { world.status($0) != "Booked" } == [77])
        #expect(report.unfinished == 1)
        #expect(report.metadata["unreadable"] == "77")
    }

    @Test("a page of the export that fails as a whole is asked for in smaller pages")
    func smallerPages() async throws {
        let world = HandlerWorld()
        for id in 1...150 {
            world.open(id, booking: "b-\(id)")
            world.age(id, by: Double(3500 - id))
            world.bookings.set("b-\(id)", "Booked")
        }
        world.transport.before { request, _ in
            let size = request.target.firstMatch(of: /export.*page%5Bsize%5D=(\d+)/).flatMap { Int($0.output.1) }
            return size.map { $0 > 30 } == true ? OutboundResponse(status: 504, body: Data()) : nil
        }
        let report = try await world.sweepAll()
        #expect(report.tickets == 150)
        #expect((1...150).allSatisfy { world.status($0) == "Booked" })
    }

    @Test("two bookings with one ID are reported as ambiguous, and neither is written to a ticket")
    func ambiguous() async throws {
        let world = HandlerWorld()
        world.open(1, booking: "b")
        world.age(1, by: 60)
        world.bookings.set("b", "Booked")
        world.bookings.state.withLock { $0.ambiguous = ["b"] }
        try await world.sweep()
        try await world.sweep()
        #expect(world.status(1) == nil)
        #expect(world.outcomes.filter { $0 == "1 ambiguous_booking" }.count == 1)
    }

    @Test("a ticket that Zendesk refuses to update costs one attempt a day and does not block others", arguments: [422, 403])
    func refusedTicket(status: Int) async throws {
        let world = HandlerWorld()
        for id in 1...2 {
            world.open(id, booking: "b")
            world.age(id, by: 60)
        }
        world.bookings.set("b", "Booked")
        let body = Data(#"{"error":"RecordInvalid","details":{"base":[{"description":"Room: is required"}]}}"#.utf8)
        world.transport.before { request, _ in
            request.method == .put && request.target.contains("/1.json") ? OutboundResponse(status: status, body: body) : nil
        }
        func tries() -> Int { world.transport.writes.count { $0.target.contains("/1.json") } }
        for _ in 0..<10 {
            try? await world.sweep()
            world.time.advance(.seconds(61))
        }
        #expect(world.status(2) == "Booked")
        #expect(tries() <= 2)
        let before = tries()
        world.time.advance(.seconds(86_400))
        world.age(1, by: 60)
        try? await world.sweep()
        #expect(tries() == before + 1)
    }

    @Test("half of the reads are left to live changes")
    func leavesReads() async throws {
        let world = HandlerWorld()
        for id in 1...3 { world.open(id, booking: "b-\(id)") }
        // Live changes have used more than half of 350.
        for number in 0..<120 { try await world.deliver("none-\(number)", from: nil, to: "Booked", at: 1) }
        for number in 0..<25 { try await world.deliver("b-1", from: nil, to: number % 2 == 0 ? "Booked" : "InStay", at: 1) }
        let before = world.transport.requests.count
        world.age(2, by: 60)
        world.bookings.set("b-2", "Booked")
        for _ in 0..<30 { try? await world.sweep() }
        // A tenth is reserved for sweeps, so that they are not starved.
        #expect(world.transport.requests.count - before <= 35 + 2)
        #expect(world.status(2) == "Booked")
    }

    @Test("a sweep that runs out of budget resumes where it stopped: settled tickets cost nothing")
    func goesOn() async throws {
        var world = HandlerWorld()
        world.settings.sharesCalls = false
        for id in 1...160 {
            world.open(id, booking: "b-\(id)x")
            world.age(id, by: 600)
            world.bookings.set("b-\(id)x", "Booked")
        }
        var sweeps = 0
        while world.transport.withAccount({ account, _ in account.tickets.values.contains { $0.text(of: 12) == nil } }), sweeps < 30 {
            sweeps += 1
            try? await world.sweep()
            for id in 1...160 where world.status(id) == nil { world.age(id, by: 600) }
            world.time.advance(.seconds(61))
        }
        #expect(sweeps <= 12)
        #expect(world.transport.writes.count == 160)
    }

    @Test("a full sweep clears our status from a ticket whose booking ID was removed, but nothing that a person set")
    func removedBookingID() async throws {
        let world = HandlerWorld()
        for id in 1...3 { world.open(id, booking: "b") }
        try await world.deliver("b", from: nil, to: "Booked", at: 1)
        world.setByHand(2, "CheckedOut")
        for id in 1...2 {
            world.transport.withAccount { account, now in account.edit(id, now: now) { $0[HandlerWorld.bookingField] = .null } }
        }
        world.bookings.set("b", "Booked")
        world.time.advance(.seconds(61))
        let report = try await world.sweepAll()
        #expect((1...3).map(world.status) == [nil, "CheckedOut", "Booked"])
        #expect(report.repaired == 0)
        #expect(world.outcomes.contains("1 cleared"))
    }

    @Test("a booking gone from Spanner is cleared but not counted as a lost change: the stream may omit deletions")
    func deletedByTimeToLive() async throws {
        let world = HandlerWorld()
        world.open(1, booking: "b")
        try await world.deliver("b", from: nil, to: "Booked", at: 1)
        world.time.advance(.seconds(61))
        let report = try await world.sweepAll()
        #expect(world.status(1) == nil)
        #expect(report.outcomes == [.cleared: 1])
        #expect(report.repaired == 0)
    }

    @Test("an export whose cursor has expired resumes at the last ticket seen")
    func expiredCursor() async throws {
        let world = HandlerWorld()
        for id in 1...250 {
            world.open(id, booking: "b-\(id)")
            world.age(id, by: Double(3500 - id))
        }
        world.transport.before { [world] request, _ in
            guard request.target.contains("after") else { return nil }
            let first = world.transport.requests.count { $0.target.contains("after") } == 1
            return first ? OutboundResponse(status: 422, body: Data(#"{"error":"invalid","description":"cursor"}"#.utf8)) : nil
        }
        let report = try await world.sweepAll()
        // The last ticket of the first page is looked at twice.
        #expect(report.tickets == 251)
        #expect(report.unfinished == 0)
    }

    @Test("an export that runs in a circle ends the sweep")
    func circle() async throws {
        let world = HandlerWorld()
        let calls = Mutex(0)
        world.transport.before { request, _ in
            guard request.target.contains("export") else { return nil }
            let number = calls.withLock { calls in
                calls += 1
                return calls
            }
            let body = #"{"results":[],"meta":{"has_more":\#(number < 1000),"after_cursor":"c\#(number % 3)"}}"#
            return OutboundResponse(status: 200, body: Data(body.utf8))
        }
        await #expect(throws: SweepFailure.self) { try await world.sweepAll() }
        #expect(calls.withLock { $0 } == 4)
    }

    @Test("pages out of creation order never let a later start skip a ticket")
    func unsortedPages() {
        var report = SweepReport()
        report.saw([10, 20, 30])
        #expect(report.seenUpTo == 30)
        report.saw([25, 40])
        #expect(report.seenUpTo == nil)
        report.saw([50])
        #expect(report.seenUpTo == nil)
        var falling = SweepReport()
        falling.saw([300, 299])
        #expect(falling.seenUpTo == nil)
    }
}

private final class ManualProgress: @unchecked Sendable {
    private(set) var tickets: [Int] = []
    func add(_ report: SweepReport) { tickets.append(report.tickets) }
}
