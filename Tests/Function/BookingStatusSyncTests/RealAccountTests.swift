@testable import BookingStatusSync
import Foundation
import FunctionRuntime
import InMemoryLogging
import Logging
import SpannerChangeStreams
import TestSupport
import Testing
import Support
import Zendesk
import ZendeskSimulator

/// Answers that a real account gives, and an ideal one would not. Each test is named after an
/// earlier failure.
@Suite("On a real account")
struct RealAccountTests {
    private static let recordNotFound = OutboundResponse(
        status: 404,
        headers: ["content-type": "application/json"],
        body: Data(#"{"error":"RecordNotFound","description":"Not found"}"#.utf8)
    )

    /// A record of `rows` that changes each of these bookings from Tentative to Booked.
    private static func record(_ bookings: [String], at seconds: Int64 = 1) -> String {
        let rows = bookings.map {
            #"{"keysJson":"{\"ID\":\"\#($0)\"}","oldValuesJson":"{\"Status\":\"Tentative\"}","newValuesJson":"{\"Status\":\"Booked\"}"}"#
        }
        return """
            {"commitTimestamp":{"seconds":\(1_795_464_800 + seconds),"nanos":0},"serverTransactionId":"t\(seconds)","recordSequence":"00000000",
            "tableName":"Bookings","modType":"UPDATE","mods":[\(rows.joined(separator: ","))]}
            """
    }

    /// An update from a stream that captures new values only.
    private static func newRow(_ status: String, at seconds: Int64) -> String {
        """
        {"commitTimestamp":{"seconds":\(1_795_464_800 + seconds),"nanos":0},"serverTransactionId":"t\(seconds)","recordSequence":"00000000",
        "tableName":"Bookings","modType":"UPDATE","valueCaptureType":"NEW_ROW",
        "mods":[{"keysJson":"{\\"ID\\":\\"b\\"}","oldValuesJson":"{}","newValuesJson":"{\\"Status\\":\\"\(status)\\",\\"Notes\\":\\"x\\"}"}]}
        """
    }

    private func tryAgain(_ body: () async throws -> Void) async -> Duration? {
        do {
            try await body()
            Issue.record("the event was acknowledged")
        } catch FunctionFailure.tryAgain(let after, _) {
            return after
        } catch {
            Issue.record("\(error)")
        }
        return nil
    }

    @Test("every form of an empty field counts as empty: an audit's \"\" is not a person's edit", arguments: AnswerForm.Empty.allCases)
    func emptyIsEmpty(former: AnswerForm.Empty) async throws {
        for field in AnswerForm.Empty.allCases {
            let world = HandlerWorld()
            world.transport.withAccount { account, _ in
                account.form.emptyFieldValue = field
                account.form.emptyFormerValue = former
            }
            world.open(1, booking: "b")
            try await world.deliver("b", from: nil, to: "Booked", at: 1)
            #expect(world.status(1) == "Booked")
            #expect(world.outcomes == ["1 added"])
            #expect(world.transport.writes.count == 1)
        }
    }

    // MARK: 404

    @Test("a missing status field needs a person: neither an event nor a sweep is acknowledged")
    func fieldIsGone() async throws {
        let world = HandlerWorld()
        world.open(1, booking: "b")
        world.age(1, by: 60)
        world.bookings.set("b", "Booked")
        world.transport.before { request, _ in request.target.contains("ticket_fields") ? Self.recordNotFound : nil }
        _ = await tryAgain { try await world.deliver("b", from: nil, to: "Booked", at: 1) }
        #expect(world.outcomes == ["deferred"])
        #expect(world.log.entries.map(\.level) == [.error])
        _ = await tryAgain { try await world.sweep() }
        #expect(world.log.entries.last { $0.level == .error } != nil)
    }

    @Test("a deactivated field needs a person: without the booking field, no ticket would be found", arguments: 0...2)
    func fieldIsInactive(index: Int) async throws {
        let world = HandlerWorld()
        world.open(1, booking: "b")
        world.transport.withAccount { account, _ in account.fields[index].isActive = false }
        _ = await tryAgain { try await world.deliver("b", from: nil, to: "Booked", at: 1) }
        #expect(world.log.entries.last?.level == .error)
    }

    @Test(
        "only RecordNotFound on a ticket's own path means that the ticket is gone",
        arguments: [#"{"error":"InvalidEndpoint","description":"Not found"}"#, "<html>Not Found</html>"]
    )
    func otherNotFound(body: String) async throws {
        let world = HandlerWorld()
        world.open(1, booking: "b")
        world.transport.before { request, _ in
            request.method == .put ? OutboundResponse(status: 404, body: Data(body.utf8)) : nil
        }
        _ = await tryAgain { try await world.deliver("b", from: nil, to: "Booked", at: 1) }
        #expect(world.outcomes == ["1 deferred"])
    }

    @Test("a ticket that show_many leaves out is read on its own path before it counts as gone")
    func leftOut() async throws {
        let world = HandlerWorld()
        for id in 1...3 { world.open(id, booking: "b") }
        world.transport.withAccount { account, _ in account.delete(3, keepsIndex: true) }
        world.transport.before { request, _ in
            guard request.target.contains("show_many"), request.target.contains("1,2,3") else { return nil }
            let json =
                #"{"tickets":[{"id":2,"status":"open","updated_at":"2026-11-23T19:00:00Z","custom_fields":[{"id":11,"value":"b"}]}],"count":1}"#
            return OutboundResponse(status: 200, headers: ["date": "Mon, 23 Nov 2026 20:15:00 GMT"], body: Data(json.utf8))
        }
        try await world.deliver("b", from: nil, to: "Booked", at: 1)
        #expect((1...2).map(world.status) == ["Booked", "Booked"])
        #expect(world.outcomes.sorted() == ["1 added", "2 added", "3 gone"])
    }

    @Test("a ticket that cannot be read does not fail the tickets read together with it")
    func unreadable() async throws {
        let world = HandlerWorld()
        for id in 1...3 { world.open(id, booking: "b") }
        world.transport.withAccount { account, _ in account.delete(2, keepsIndex: true) }
        world.transport.before { request, _ in request.target.contains("tickets/2.") ? OutboundResponse(status: 500, body: Data()) : nil }
        let client = ZendeskClient(transport: world.transport, credentials: .accessToken("t"), time: world.time.source)
        let scope = TaskScope()
        let reader = TicketReader(client, scope: scope, isAlone: { true }, time: world.time.source)
        let results = try await world.time.run {
            await scope.whileRunning {
                await reader.read([1, 2, 3], .before(Deadline(after: .seconds(30), world.time.source)))
            }
        }
        #expect(try [1, 3].map { try #require(results[$0]).get()?.ticket.id } == [1, 3])
        #expect(throws: ZendeskError.self) { try #require(results[2]).get() }
    }

    // MARK: Taking back

    /// Removes the option right before the second update, which then leaves a version without its
    /// tag.
    private func dropTag(_ world: HandlerWorld, takeBack: @escaping @Sendable () -> OutboundResponse?) {
        world.transport.before { [world] request, _ in
            guard request.method == .put else { return nil }
            let number = world.transport.writes.count
            if number == 2 {
                world.transport.withAccount { account, _ in account.fields[1].options?.removeAll { $0.name == "Booked" } }
            }
            return number > 2 ? takeBack() : nil
        }
    }

    private func worldWithVersion() async throws -> HandlerWorld {
        let world = HandlerWorld()
        world.open(1, booking: "b", status: "Tentative")
        try await world.deliver("b", from: "Booked", to: "Tentative", at: 1)
        world.time.advance(.seconds(61))
        return world
    }

    private func optionComesBack(_ world: HandlerWorld) {
        world.transport.before { _, _ in nil }
        world.transport.withAccount { account, _ in
            account.fields[1].options?.append(.init(name: "Booked", tag: HandlerWorld.tag("Booked")))
        }
    }

    @Test("reverting a version takes a limited number of attempts, with pauses and metadata", arguments: [409, 502])
    func takingBackIsBounded(status: Int) async throws {
        let world = try await worldWithVersion()
        dropTag(world) { OutboundResponse(status: status) }
        let before = world.time.secondsSince1970
        _ = await tryAgain { try await world.deliver("b", from: "Tentative", to: "Booked", at: 2) }
        #expect((4...8).contains(world.transport.writes.count))
        #expect(world.time.secondsSince1970 - before > 0.2)
        let body = try #require(world.transport.writes.last?.body).map { String(decoding: [$0], as: UTF8.self) }.joined()
        #expect(body.contains("booking-status-sync"))
    }

    @Test("a version that could not be reverted is repaired before a change counts as stale", arguments: [true, false])
    func owed(sameInstance: Bool) async throws {
        var world = try await worldWithVersion()
        dropTag(world) { OutboundResponse(status: 503) }
        _ = await tryAgain { try await world.deliver("b", from: "Tentative", to: "Booked", at: 2) }
        #expect(world.status(1) == "Tentative")
        #expect(world.kept(1)?.hasPrefix("tag_Booked") == true)
        optionComesBack(world)
        world.time.advance(.seconds(61))
        if !sameInstance { world.restart() }
        try await world.deliver("b", from: "Tentative", to: "Booked", at: 2)
        #expect(world.status(1) == "Booked")
        #expect(world.outcomes.last == "1 updated")
    }

    @Test("a newer change repairs a version without its tag instead of taking it for a hand edit")
    func owedBeforeNewer() async throws {
        var world = try await worldWithVersion()
        dropTag(world) { OutboundResponse(status: 503) }
        _ = await tryAgain { try await world.deliver("b", from: "Tentative", to: "Booked", at: 2) }
        optionComesBack(world)
        world.time.advance(.seconds(61))
        world.restart()
        try await world.deliver("b", from: "Booked", to: "InStay", at: 3)
        #expect(world.status(1) == "InStay")
    }

    @Test("an old status that a person put back is not taken for a dropped tag, even after a restart")
    func putBackByPerson() async throws {
        var world = try await worldWithVersion()
        try await world.deliver("b", from: "Tentative", to: "Booked", at: 2)
        world.time.advance(.seconds(5))
        world.setByHand(1, "Tentative")
        world.time.advance(.seconds(5))
        world.restart()
        let writes = world.transport.writes.count
        try await world.deliver("b", from: "Tentative", to: "Booked", at: 2)
        #expect(world.status(1) == "Tentative")
        #expect(world.outcomes.last == "1 stale")
        #expect(world.transport.writes.count == writes)
    }

    // MARK: Unknown old status

    @Test("without old values, an update of another column does not refill a field that a person emptied")
    func emptiedStaysEmpty() async throws {
        let world = HandlerWorld()
        world.open(1, booking: "b")
        try await world.deliver(Self.newRow("Booked", at: 1))
        #expect(world.status(1) == "Booked")
        world.time.advance(.seconds(5))
        world.transport.withAccount { account, now in account.edit(1, now: now) { $0[HandlerWorld.statusField] = .null } }
        world.time.advance(.seconds(5))
        try await world.deliver(Self.newRow("Booked", at: 2))
        #expect(world.status(1) == nil)
        #expect(world.outcomes.last == "1 unexpected_status")
        #expect(world.kept(1)?.contains("transaction t2") == true)
        world.time.advance(.seconds(5))
        try await world.deliver(Self.newRow("InStay", at: 3))
        #expect(world.status(1) == "InStay")
    }

    @Test("without old values, a repeated status still moves the version, so an older change cannot pass it")
    func versionMoves() async throws {
        let world = HandlerWorld()
        world.open(1, booking: "b")
        try await world.deliver(Self.newRow("InStay", at: 1))
        world.time.advance(.seconds(5))
        try await world.deliver(Self.newRow("InStay", at: 5))
        world.time.advance(.seconds(5))
        try await world.deliver(Self.newRow("Booked", at: 3))
        #expect(world.status(1) == "InStay")
        #expect(world.outcomes == ["1 added", "1 unchanged", "1 stale"])
    }

    // MARK: Large records

    @Test("after a row is refused for lack of budget, no more begin, and one log line counts them")
    func largeRecord() async throws {
        var world = HandlerWorld()
        world.settings.sharesCalls = false
        let bookings = (1...400).map { "b-\($0)x" }
        for (index, booking) in bookings.enumerated() { world.open(index + 1, booking: booking, status: "Tentative") }
        _ = await tryAgain { try await world.deliver(Self.record(bookings)) }
        let written = world.outcomes.count { $0.hasSuffix("updated") }
        #expect(written > 0 && written <= 50)
        #expect(world.log.entries.count < 300)
        let counted = world.log.entries.compactMap { $0.metadata["changes"] }
        #expect(counted.count == 1)
        var deliveries = 1
        while deliveries < 40 {
            world.time.advance(.seconds(61))
            deliveries += 1
            if (try? await world.deliver(Self.record(bookings))) != nil { break }
        }
        #expect((1...400).allSatisfy { world.status($0) == "Booked" })
        #expect(world.transport.writes.count == 400)
    }

    // MARK: Stamps

    @Test("a stamp ahead of the clock costs a pause, or the ticket is left until the clock passes it", arguments: [2.0, 100, 86_400])
    func stampAhead(seconds: Double) async throws {
        let world = HandlerWorld()
        world.open(1, booking: "b")
        world.transport.withAccount { account, now in account.edit(1, now: now + seconds) { $0.subject = "x" } }
        if seconds == 2 {
            try await world.deliver("b", from: nil, to: "Booked", at: 1)
            #expect(world.status(1) == "Booked")
        } else {
            let after = await tryAgain { try await world.deliver("b", from: nil, to: "Booked", at: 1) }
            #expect(after == .seconds(min(seconds + 1, 600)))
        }
        #expect(world.transport.requests.count < 8)
    }

    @Test(
        "without a usable Date, a stamp is old after it has been seen for two seconds",
        arguments: [nil, "yesterday", "Fri, 31 Dec 1999 00:00:00 GMT"]
    )
    func noDate(date: String?) async throws {
        let world = HandlerWorld()
        world.open(1, booking: "b")
        world.transport.date = .some(date)
        try await world.deliver("b", from: nil, to: "Booked", at: 1)
        #expect(world.status(1) == "Booked")
        #expect(world.transport.requests.count < 12)
    }

    @Test("a Date that runs ahead does not make a young stamp old")
    func dateAhead() async throws {
        let world = HandlerWorld()
        world.open(1, booking: "b")
        world.transport.withAccount { account, now in account.edit(1, now: now) { $0.subject = "x" } }
        world.transport.date = .some("Thu, 31 Dec 2099 00:00:00 GMT")
        let before = world.time.secondsSince1970
        try await world.deliver("b", from: nil, to: "Booked", at: 1)
        #expect(world.status(1) == "Booked")
        #expect(world.time.secondsSince1970 - before >= 2)
    }

    @Test("a ticket that keeps changing is left instead of being read forever")
    func restlessTicket() async throws {
        let world = HandlerWorld()
        world.open(1, booking: "b")
        world.transport.after { [world] request, _ throws(OutboundError) in
            guard request.method == .get else { return }
            world.transport.withAccount { account, now in account.edit(1, now: now + 1) { $0.subject += "." } }
        }
        _ = await tryAgain { try await world.deliver("b", from: nil, to: "Booked", at: 1) }
        #expect(world.transport.requests.count < 18)
    }

    // MARK: IDs

    @Test("a record with two rows for one booking is refused, whichever comes last")
    func ambiguousBooking() async throws {
        let world = HandlerWorld()
        world.open(1, booking: "b", status: "Tentative")
        await #expect {
            try await world.deliver(Self.record(["b", "c", "b"]))
        } throws: { error in
            guard case .unprocessable(let reason)? = error as? FunctionFailure else { return false }
            return reason.contains("ambiguous_booking")
        }
        #expect(world.outcomes == ["ambiguous_booking"])
        #expect(world.transport.requests.isEmpty)
    }

    @Test("more than a thousand fuzzy hits are read through the export, and the booking's ticket is written")
    func manyHits() async throws {
        let world = HandlerWorld()
        for id in 1...1200 { world.open(id, booking: id == 700 ? "BK-1" : "BK-1\(id)") }
        try await world.deliver("BK-1", from: nil, to: "Booked", at: 1)
        #expect(world.status(700) == "Booked")
        #expect(world.outcomes.contains("700 added"))
    }

    @Test("a booking ID in the log is cut to 64 characters: a guest may have typed it")
    func longID() async throws {
        let world = HandlerWorld()
        let id = String(repeating: "x", count: 200)
        try await world.deliver(id, from: nil, to: "Booked", at: 1)
        #expect("\(world.log.entries[0].metadata["booking"]!)".count == 65)
    }

    @Test("a closed ticket is recognized by its status when Zendesk's wording differs")
    func closedInOtherWords() async throws {
        let world = HandlerWorld()
        world.open(1, booking: "b")
        let body = #"{"error":"RecordInvalid","description":"ungültig","details":{"status":[{"description":"Status: geschlossen"}]}}"#
        world.transport.before { [world] request, _ in
            guard request.method == .put else { return nil }
            world.transport.withAccount { account, now in account.edit(1, now: now) { $0.status = "closed" } }
            return OutboundResponse(status: 422, body: Data(body.utf8))
        }
        try await world.deliver("b", from: nil, to: "Booked", at: 1)
        #expect(world.outcomes == ["1 closed"])
    }
}
