import FunctionRuntime
import Support
import Foundation
import InMemoryLogging
import Logging
import TestSupport
import Testing
import Zendesk
import ZendeskSimulator

@testable import BookingStatusSync

@Suite("The handler")
struct BookingStatusHandlerTests {
    @Test("a change reaches every ticket of its booking, and no other")
    func allTickets() async throws {
        let world = HandlerWorld()
        for id in 1...3 { world.open(id, booking: "BK-1", status: "Tentative") }
        world.open(4, booking: "BK-12", status: "Tentative")
        world.open(5, booking: "BK-1", isClosed: true)
        try await world.deliver("BK-1", from: "Tentative", to: "Booked", at: 1)
        #expect((1...5).map(world.status) == ["Booked", "Booked", "Booked", "Tentative", nil])
        #expect(world.outcomes.sorted() == ["1 updated", "2 updated", "3 updated", "4 other_booking"])
        #expect(world.kept(1)?.hasPrefix("tag_Booked since ") == true)
    }

    @Test("a write costs one search, one read and one update, plus a field check once a minute, and its audit names the source")
    func calls() async throws {
        let world = HandlerWorld()
        world.open(1, booking: "b")
        try await world.deliver("b", from: nil, to: "Booked", at: 1)
        #expect(
            world.transport.requests.map { String($0.target.prefix { $0 != "?" }) } == [
                "/api/v2/ticket_fields/11.json", "/api/v2/ticket_fields/12.json", "/api/v2/ticket_fields/13.json", "/api/v2/search.json",
                "/api/v2/tickets/show_many.json", "/api/v2/tickets/1.json",
            ]
        )
        let metadata = world.transport.withAccount { account, _ in account.tickets[1]?.audits.last?.metadata }
        #expect(metadata?["booking"]?.string == "b")
        #expect(metadata?["event"]?.string == "m1")
    }

    @Test("a delivery handles a limited number of rows, and rows that can never be settled do not block the others")
    func manyRows() async throws {
        let world = HandlerWorld()
        world.open(1, booking: "last", status: "Tentative")
        func mod(_ booking: String, _ status: String) -> String {
            #"{"keysJson":"{\"ID\":\"\#(booking)\"}","oldValuesJson":"{\"Status\":\"Tentative\"}","newValuesJson":"{\"Status\":\"\#(status)\"}"}"#
        }
        let mods = (0..<BookingStatusHandler.maximumRows).map { mod("b-\($0)", "Unheard") } + [mod("last", "Booked")]
        let record = """
            {"commitTimestamp":{"seconds":1795464801,"nanos":0},"serverTransactionId":"t1","recordSequence":"0",
            "tableName":"Bookings","modType":"UPDATE","mods":[\(mods.joined(separator: ","))]}
            """
        for _ in 0..<2 { await #expect(throws: FunctionFailure.self) { try await world.deliver(record) } }
        #expect(world.status(1) == "Booked")
        // The rest can never succeed, and the last error says so.
        await #expect {
            try await world.deliver(record)
        } throws: {
            guard case .unprocessable? = $0 as? FunctionFailure else { return false }
            return true
        }
    }

    @Test("a redelivered change is not applied twice")
    func redelivered() async throws {
        let world = HandlerWorld()
        world.open(1, booking: "b", status: "Tentative")
        try await world.deliver("b", from: "Tentative", to: "Booked", at: 1)
        world.time.advance(.seconds(5))
        try await world.deliver("b", from: "Booked", to: "Tentative", at: 2)
        world.time.advance(.seconds(5))
        try await world.deliver("b", from: "Tentative", to: "Booked", at: 1)
        #expect(world.status(1) == "Tentative")
        #expect(world.outcomes == ["1 updated", "1 updated", "1 stale"])
    }

    @Test("changes delivered out of order end with the newer status")
    func reordered() async throws {
        let world = HandlerWorld()
        world.open(1, booking: "b", status: "Tentative")
        await #expect(throws: FunctionFailure.self) { try await world.deliver("b", from: "Booked", to: "InStay", at: 2) }
        try await world.deliver("b", from: "Tentative", to: "Booked", at: 1)
        world.time.advance(.seconds(5))
        try await world.deliver("b", from: "Booked", to: "InStay", at: 2)
        #expect(world.status(1) == "InStay")
        #expect(world.outcomes == ["1 waiting", "1 updated", "1 updated"])
    }

    @Test("a change waits for its predecessor while it is young or in its first four deliveries")
    func fresh() async throws {
        for (age, attempt, waits) in [(1, nil, true), (119, nil, true), (121, nil, false), (500, 4, true), (500, 5, false)]
            as [(Double, Int?, Bool)]
        {
            let world = HandlerWorld()
            world.open(1, booking: "b", status: "Tentative")
            do {
                try await world.deliver("b", from: "Booked", to: "InStay", at: 2, publishedBefore: age, attempt: attempt)
                #expect(!waits)
            } catch FunctionFailure.tryAgain {
                #expect(waits)
            }
            #expect(world.status(1) == "Tentative")
        }
    }

    @Test("a hand edit stays")
    func handEdit() async throws {
        let world = HandlerWorld()
        world.open(1, booking: "b")
        try await world.deliver("b", from: nil, to: "Booked", at: 1)
        world.setByHand(1, "CheckedOut")
        world.time.advance(.seconds(5))
        try await world.deliver("b", from: "Booked", to: "InStay", at: 2)
        #expect(world.status(1) == "CheckedOut")
        #expect(world.outcomes.last == "1 unexpected_status")
    }

    @Test("a deleted booking's field is cleared, and an old redelivery does not fill it again")
    func deleted() async throws {
        let world = HandlerWorld()
        world.open(1, booking: "b")
        try await world.deliver("b", from: nil, to: "Booked", at: 1)
        world.time.advance(.seconds(5))
        try await world.deliver("b", from: "Booked", to: nil, at: 2)
        #expect(world.status(1) == nil)
        try await world.deliver("b", from: nil, to: "Booked", at: 1)
        #expect(world.status(1) == nil)
        #expect(world.outcomes == ["1 added", "1 cleared", "1 stale"])
    }

    @Test("a ticket updated less than two seconds ago is read again before it is written")
    func youngStamp() async throws {
        let world = HandlerWorld()
        world.open(1, booking: "b", status: "Tentative")
        world.transport.withAccount { account, now in account.edit(1, now: now) { $0.subject = "new" } }
        let before = world.time.secondsSince1970
        try await world.deliver("b", from: "Tentative", to: "Booked", at: 1)
        #expect(world.status(1) == "Booked")
        #expect(world.time.secondsSince1970 - before >= 2)
        #expect(world.transport.writes.count == 1)
    }

    @Test("after a conflict, the ticket is read and decided again")
    func conflict() async throws {
        let world = HandlerWorld()
        world.open(1, booking: "b", status: "Tentative")
        world.transport.before { [world] request, _ in
            if request.method == .put, world.transport.writes.count == 1 {
                world.time.advance(.seconds(1))
                world.setByHand(1, "CheckedOut")
            }
            return nil
        }
        try await world.deliver("b", from: "Tentative", to: "Booked", at: 1, publishedBefore: 500)
        #expect(world.status(1) == "CheckedOut")
        #expect(world.outcomes == ["1 unexpected_status"])
    }

    @Test("a ticket that keeps conflicting is left for the next delivery")
    func endlessConflict() async throws {
        let world = HandlerWorld()
        world.open(1, booking: "b", status: "Tentative")
        world.transport.before { request, _ in request.method == .put ? OutboundResponse(status: 409) : nil }
        await #expect(throws: FunctionFailure.self) { try await world.deliver("b", from: "Tentative", to: "Booked", at: 1) }
        #expect(world.outcomes == ["1 conflict"])
        #expect(world.transport.writes.count == 5)
    }

    @Test("an unanswered update is not repeated if it took effect")
    func lostAnswer() async throws {
        let world = HandlerWorld()
        world.open(1, booking: "b", status: "Tentative")
        world.transport.after { request, _ throws(OutboundError) in
            if request.method == .put { throw .noAnswer("lost") }
        }
        try await world.deliver("b", from: "Tentative", to: "Booked", at: 1)
        #expect(world.status(1) == "Booked")
        #expect(world.outcomes == ["1 updated"])
        #expect(world.transport.writes.count == 1)
    }

    @Test("a status that a person set in the same second as our update is restored, with a two-second-old stamp")
    func replacedInSameSecond() async throws {
        let world = HandlerWorld()
        world.open(1, booking: "b", status: "Tentative")
        world.transport.before { [world] request, _ in
            guard request.method == .put, world.transport.writes.count == 1 else { return nil }
            // The edit leaves updated_at alone, as if it fell into the second of the stamp.
            world.transport.withAccount { account, now in
                var ticket = account.tickets[1]!
                ticket.customFields[HandlerWorld.statusField] = .string(HandlerWorld.tag("CheckedOut"))
                account.put(ticket, now: now)
            }
            return nil
        }
        let before = world.time.secondsSince1970
        try await world.deliver("b", from: "Tentative", to: "Booked", at: 1, publishedBefore: 500)
        #expect(world.status(1) == "CheckedOut")
        #expect(world.time.secondsSince1970 - before >= 2)
        #expect(world.kept(1) == nil)
        #expect(world.outcomes == ["1 unexpected_status"])
    }

    @Test("a tag that Zendesk drops is reported and leaves no version behind")
    func droppedTag() async throws {
        let world = HandlerWorld()
        world.open(1, booking: "b", status: "Tentative")
        try await world.deliver("b", from: "Booked", to: "Tentative", at: 1)
        let version = world.kept(1)
        world.time.advance(.seconds(5))
        await #expect(throws: FunctionFailure.self) {
            try await world.deliver("b", from: "Tentative", to: "Unconfigured in Zendesk", at: 2)
        }
        #expect(world.status(1) == "Tentative")
        #expect(world.kept(1) == version)
        #expect(world.outcomes.last == "1 tag_not_accepted")
    }

    @Test("a dropped tag's version is reverted even if the first attempt fails or the answer was lost", arguments: [0, 1])
    func droppedTagTakenBack(lost: Int) async throws {
        let world = HandlerWorld()
        world.open(1, booking: "b", status: "Tentative")
        try await world.deliver("b", from: "Booked", to: "Tentative", at: 1)
        let version = world.kept(1)
        world.time.advance(.seconds(5))
        // The option disappears after its lookup.
        world.transport.before { [world] request, _ in
            guard request.method == .put else { return nil }
            let number = world.transport.writes.count
            if number == 2 {
                world.transport.withAccount { account, _ in account.fields[1].options?.removeAll { $0.name == "Booked" } }
            }
            return number == 3 && lost == 0 ? OutboundResponse(status: 429, headers: ["retry-after": "3"]) : nil
        }
        world.transport.after { [world] request, _ throws(OutboundError) in
            if lost == 1, request.method == .put, world.transport.writes.count == 2 { throw .noAnswer("lost") }
        }
        await #expect(throws: FunctionFailure.self) { try await world.deliver("b", from: "Tentative", to: "Booked", at: 2) }
        #expect(world.status(1) == "Tentative")
        #expect(world.kept(1) == version)
        #expect(world.outcomes.last == "1 tag_not_accepted")
    }

    @Test("a Zendesk failure causes the event to be retried", arguments: [401, 403, 429, 500, 503])
    func troubles(status: Int) async throws {
        let world = HandlerWorld()
        world.open(1, booking: "b")
        let body = Data(#"{"error":"Forbidden","description":"x"}"#.utf8)
        world.transport.before { _, _ in OutboundResponse(status: status, headers: ["retry-after": "17"], body: body) }
        do {
            try await world.deliver("b", from: nil, to: "Booked", at: 1)
            Issue.record("the event was acknowledged")
        } catch FunctionFailure.tryAgain(let after, _) {
            #expect(after == (status < 429 ? .seconds(10) : .seconds(17)))
        }
        #expect(world.outcomes == ["deferred"])
        // A problem that needs a person is an error; the others pass by themselves.
        #expect(world.log.entries.map(\.level) == [status < 429 ? .error : .notice])
    }

    @Test("while others use nearly all of the allowance, a change gets through every ten seconds")
    func scarceAllowance() async throws {
        let world = HandlerWorld()
        world.transport.before { [transport = world.transport] request, _ in
            let answer = transport.withAccount { account, now in
                account.respond(
                    to: .init(method: request.method.rawValue, target: request.target, body: request.body ?? Data()),
                    now: now
                )
            }
            var headers = answer.headers
            for name in ["ratelimit-remaining", "rate-limit-remaining", "x-rate-limit-remaining"] { headers[name] = "5" }
            return OutboundResponse(status: answer.status, headers: headers, body: answer.body)
        }
        for id in 1...12 { world.open(id, booking: "b-\(id)x") }
        let begin = world.time.secondsSince1970
        for id in 1...12 { try await world.deliver("b-\(id)x", from: nil, to: "Booked", at: 1) }
        #expect((1...12).allSatisfy { world.status($0) == "Booked" })
        #expect(world.time.secondsSince1970 - begin < 120)
    }

    @Test("one failing ticket fails the event but does not block the other tickets")
    func oneFails() async throws {
        let world = HandlerWorld()
        for id in 1...3 { world.open(id, booking: "b") }
        world.transport.before { request, _ in
            request.method == .put && request.target.contains("/2.json") ? OutboundResponse(status: 503) : nil
        }
        await #expect(throws: FunctionFailure.self) { try await world.deliver("b", from: nil, to: "Booked", at: 1) }
        #expect((1...3).map(world.status) == ["Booked", nil, "Booked"])
        #expect(world.outcomes.sorted() == ["1 added", "2 deferred", "3 added"])
    }

    @Test("a booking without tickets and a deleted ticket count as done")
    func nothingToDo() async throws {
        let world = HandlerWorld()
        try await world.deliver("b", from: nil, to: "Booked", at: 1)
        world.open(1, booking: "b")
        let gone = OutboundResponse(status: 404, body: Data(#"{"error":"RecordNotFound","description":"Not found"}"#.utf8))
        world.transport.before { request, _ in request.method == .put ? gone : nil }
        try await world.deliver("b", from: nil, to: "Booked", at: 1)
        #expect(world.outcomes == ["no_ticket", "1 gone"])
    }

    @Test("a status without a tag is a failure and makes no Zendesk call")
    func unknownStatus() async throws {
        let world = HandlerWorld()
        world.open(1, booking: "b")
        await #expect(throws: FunctionFailure.unprocessable(#"unknown_status: no tag is configured for the status "Levitating""#)) {
            try await world.deliver("b", from: nil, to: "Levitating", at: 1)
        }
        #expect(world.transport.requests.isEmpty)
        #expect(world.outcomes == ["unknown_status"])
    }

    @Test(
        "an unprocessable event is refused with its reason and makes no Zendesk call",
        arguments: [
            "", "no JSON", "{}",
            #"{"tableName":"Bookings","modType":"INSERT","mods":[{"keysJson":"{\"ID\":\"b\"}","newValuesJson":"{\"Status\":\"Booked\"}"}]}"#,
        ]
    )
    func unprocessable(json: String) async throws {
        let world = HandlerWorld()
        do {
            try await world.deliver(json)
            Issue.record("the event was acknowledged")
        } catch FunctionFailure.unprocessable(let reason) {
            #expect(!reason.isEmpty)
        }
        #expect(world.transport.requests.isEmpty)
    }

    @Test(
        "an ID that would change the meaning of a search is refused before it is sent",
        arguments: [#"a\\\" OR status:closed"#, #"a\\\\b"#, #"a\\nb"#]
    )
    func queryInjection(id: String) async throws {
        let world = HandlerWorld()
        await #expect(throws: FunctionFailure.self) { try await world.deliver(id, from: nil, to: "Booked", at: 1) }
        #expect(world.transport.requests.isEmpty)
        #expect(world.outcomes == ["rejected"])
    }

    @Test("a commit over an hour ahead is refused, and a version over an hour ahead is ignored")
    func future() async throws {
        let world = HandlerWorld()
        world.open(1, booking: "b", status: "Tentative")
        await #expect(throws: FunctionFailure.unprocessable("the record's commitTimestamp lies over an hour ahead")) {
            try await world.deliver("b", from: "Tentative", to: "Booked", at: 3800)
        }
        let ahead = KeptVersion(bookingID: "b", version: version(9000), tag: "tag_Tentative").text
        world.transport.withAccount { account, now in
            account.edit(1, now: now - 60) { $0.customFields[HandlerWorld.versionField] = .string(ahead) }
        }
        world.time.advance(.seconds(5))
        try await world.deliver("b", from: "Tentative", to: "Booked", at: 1)
        #expect(world.status(1) == "Booked")
    }

    @Test("a version that names another booking is ignored")
    func foreignVersion() async throws {
        let world = HandlerWorld()
        world.open(1, booking: "b", status: "Tentative")
        let foreign = KeptVersion(bookingID: "c", version: version(50), tag: "tag_Tentative").text
        world.transport.withAccount { account, now in
            account.edit(1, now: now - 60) { $0.customFields[HandlerWorld.versionField] = .string(foreign) }
        }
        try await world.deliver("b", from: "Tentative", to: "Booked", at: 1)
        #expect(world.status(1) == "Booked")
    }

    @Test("a record without a status change is acknowledged and logged")
    func notAStatusChange() async throws {
        let world = HandlerWorld()
        try await world.deliver("b", from: "Booked", to: "Booked", at: 1)
        #expect(world.transport.requests.isEmpty)
        #expect(world.outcomes == ["not_a_status_change"])
        #expect(world.log.entries.last?.metadata["reason"] == "no row has a new Status")
    }

    @Test("a record of another table is refused by name, and acknowledged only if the table is ignored")
    func anotherTable() async throws {
        var world = HandlerWorld()
        world.settings.table = "Reservations"
        await #expect(throws: FunctionFailure.self) { try await world.deliver("b", from: "Tentative", to: "Booked", at: 1) }
        #expect(world.transport.requests.isEmpty)
        #expect(world.outcomes == ["other_table"])
        #expect(world.log.entries.last?.level == .error)
        #expect(world.log.entries.last?.metadata["reason"]?.description.contains("the table is Bookings, not Reservations") == true)
        world.settings.ignoredTables = ["Bookings"]
        try await world.deliver("b", from: "Tentative", to: "Booked", at: 1)
        #expect(world.outcomes.last == "not_a_status_change")
    }

    @Test("a row without a key is refused by itself, and its record's other rows are written once")
    func rowWithoutKey() async throws {
        let world = HandlerWorld()
        world.open(1, booking: "b")
        let mods =
            [#"{"keysJson":"{\"ID\":null}","newValuesJson":"{\"Status\":\"Booked\"}"}"#]
            + [#"{"keysJson":"{\"ID\":\"b\"}","newValuesJson":"{\"Status\":\"Booked\"}"}"#]
        let json = """
            {"commitTimestamp":{"seconds":1795464801,"nanos":0},"serverTransactionId":"t1","recordSequence":"00000000",
            "tableName":"Bookings","modType":"INSERT","mods":[\(mods.joined(separator: ","))]}
            """
        for _ in 0..<2 {
            do {
                try await world.deliver(json)
                Issue.record("the event was acknowledged")
            } catch FunctionFailure.unprocessable(let reason) {
                #expect(reason.contains("1 rows whose key ID is null"))
            }
        }
        #expect(world.status(1) == "Booked")
        #expect(world.outcomes.count { $0 == "1 added" } == 1)
    }

    @Test("a dry run reads and decides but writes nothing")
    func dryRun() async throws {
        var world = HandlerWorld()
        world.settings.dryRun = true
        world.open(1, booking: "b", status: "Tentative")
        try await world.deliver("b", from: "Tentative", to: "Booked", at: 1)
        #expect(world.status(1) == "Tentative")
        #expect(world.transport.writes.isEmpty)
        #expect(world.outcomes == ["1 dry_run"])
    }

    @Test("without a version field, it writes one field")
    func withoutVersions() async throws {
        let world = HandlerWorld(keepsVersions: false)
        world.open(1, booking: "b", status: "Tentative")
        try await world.deliver("b", from: "Booked", to: "InStay", at: 2)
        try await world.deliver("b", from: "Tentative", to: "Booked", at: 1)
        #expect(world.status(1) == "Booked")
        #expect(world.outcomes == ["1 unexpected_status", "1 updated"])
        #expect(world.kept(1) == nil)
    }

    @Test("the log line has the metadata that the design promises")
    func logLine() async throws {
        let world = HandlerWorld()
        world.open(1, booking: "b", status: "Tentative")
        try await world.deliver("b", from: "Tentative", to: "Booked", at: 95)
        let entry = try #require(world.log.entries.first)
        #expect("\(entry.message)" == "booking status")
        #expect(entry.metadata["booking"] == "b")
        #expect(entry.metadata["from"] == "Tentative")
        #expect(entry.metadata["to"] == "Booked")
        #expect(entry.metadata["commit_to_write_ms"] == "5000")
    }

    @Test("while anything waits, one log line a minute says what, and what is left of the budgets")
    func waiting() async throws {
        let world = HandlerWorld()
        world.transport.delay { $0.target.contains("search.json") ? .seconds(9) : nil }
        try await world.time.run {
            try await world.handler.whileRunning {
                for number in 1...14 { try await world.deliver("b-\(number)", from: nil, to: "Booked", at: 1) }
            }
        }
        let lines = world.log.entries.filter { $0.message == "waiting" }
        #expect(lines.count == 2)
        #expect(lines.first?.metadata["lanes"] == .stringConvertible(1))
        #expect(lines.first?.metadata["searches"] == "6 for 6, 0 waiting")
        #expect(lines.first?.metadata["writes_left"] == .stringConvertible(50))
    }

    @Test("a handler that is not running says so instead of hanging")
    func notRunning() async throws {
        let world = HandlerWorld()
        let message = PubSubMessage(id: "m", data: try Fixtures.record("google-template.update-booked"))
        let context = FunctionContext(
            eventID: "m",
            executionID: "e",
            logger: Logger(label: "t") { _ in world.log },
            timeRemaining: { .seconds(30) }
        )
        await #expect {
            try await world.time.run { try await world.handler.handle(message, context: context) }
        } throws: { "\($0)".contains("run()") }
        #expect(world.transport.requests.isEmpty)
    }
}
