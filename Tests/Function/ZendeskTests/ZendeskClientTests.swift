import FoundationEssentials
import Synchronization
import TestSupport
import Testing
import Support
import Zendesk

@Suite("The Zendesk client")
struct ZendeskClientTests {
    private let deadline = Deadline(after: .seconds(5), ManualTime().source)

    @Test("all pages of a search are read, and a ticket on two pages counts once")
    func pages() async throws {
        let asked = Mutex<[String]>([])
        let client = client { request in
            asked.withLock { $0.append(request.target) }
            let page = asked.withLock { $0.count }
            let ids = page == 3 ? [250] : Array((page - 1) * 100..<page * 100).map { $0 == 100 ? 99 : $0 }
            let next = page < 3 ? "\"https://elsewhere.example/\"" : "null"
            return #"{"results":[\#(ids.map { #"{"id":\#($0)}"# }.joined(separator: ","))],"next_page":\#(next),"count":201}"#
        }
        let search = try #require(TicketSearch(customField: 7, text: "b 1&x=é"))
        let ids = try await client.allHits(search, showing: 2, .before(deadline)).map(\.ticket)
        #expect(ids == Array(0..<100) + Array(101..<200) + [250])
        #expect(
            asked.withLock { $0 }
                == (1...3).map {
                    "/api/v2/search.json?query=type%3Aticket%20status%3Cclosed%20custom_field_7%3A%22b%201%26x%3D%C3%A9%22"
                        + "&sort_by=created_at&sort_order=asc&per_page=100&page=\($0)"
                }
        )
    }

    @Test("more hits than a search can return come from its export")
    func tooMany() async throws {
        let asked = Mutex<[String]>([])
        let client = client { request in
            asked.withLock { $0.append(request.target) }
            guard request.target.contains("export") else { return #"{"results":[{"id":1}],"next_page":"x","count":1001}"# }
            return request.target.contains("after")
                ? #"{"results":[{"id":3}],"meta":{"has_more":false,"after_cursor":"d"}}"#
                : #"{"results":[{"id":1},{"id":2}],"meta":{"has_more":true,"after_cursor":"c"}}"#
        }
        let search = try #require(TicketSearch(customField: 7, text: "b"))
        #expect(try await client.allHits(search, showing: 2, .before(deadline)).map(\.ticket) == [1, 2, 3])
        // The export takes no type in the query.
        #expect(asked.withLock { $0.count == 3 && !$0[1].contains("type%3Aticket") })
    }

    @Test("an export whose cursor repeats or is missing does not loop forever", arguments: [#""c""#, "null"])
    func repeatingCursor(cursor: String) async throws {
        let client = client { request in
            request.target.contains("export")
                ? #"{"results":[{"id":1}],"meta":{"has_more":true,"after_cursor":\#(cursor)}}"#
                : #"{"results":[],"next_page":null,"count":1001}"#
        }
        let search = try #require(TicketSearch(customField: 7, text: "b"))
        await #expect(throws: ZendeskError.self) { try await client.allHits(search, showing: 2, .before(deadline)) }
    }

    @Test("an export that runs in a circle does not loop forever")
    func circle() async throws {
        let calls = Mutex(0)
        let client = client { request in
            guard request.target.contains("export") else { return #"{"results":[],"next_page":null,"count":1001}"# }
            let number = calls.withLock { calls in
                calls += 1
                return calls
            }
            return #"{"results":[{"id":\#(number)}],"meta":{"has_more":\#(number < 1000),"after_cursor":"c\#(number % 3)"}}"#
        }
        let search = try #require(TicketSearch(customField: 7, text: "b"))
        await #expect(throws: ZendeskError.self) { try await client.allHits(search, showing: 2, .before(deadline)) }
        #expect(calls.withLock { $0 } == 4)
    }

    @Test("tickets are read a hundred at a time")
    func showMany() async throws {
        let sizes = Mutex<[Int]>([])
        let client = client { request in
            let ids = request.target.split(separator: "=")[1].split(separator: ",")
            sizes.withLock { $0.append(ids.count) }
            let tickets = ids.map { #"{"id":\#($0),"status":"open","updated_at":"2026-11-23T20:13:31Z","custom_fields":[]}"# }
            return #"{"tickets":[\#(tickets.joined(separator: ","))],"count":\#(ids.count)}"#
        }
        let readings = try await client.tickets(Array(1...250), .before(deadline))
        #expect(readings.map(\.ticket.id) == Array(1...250))
        #expect(sizes.withLock { $0 } == [100, 100, 50])
        #expect(try await client.tickets([], .before(deadline)).isEmpty)
    }

    @Test("custom fields may be of any type, empty or missing")
    func customFields() async throws {
        let client = client { _ in
            #"""
            {"ticket":{"id":1,"status":"open","updated_at":"2026-11-23T20:13:31Z","custom_fields":[{"id":1,"value":"x"},{"id":2,"value":""},
            {"id":3,"value":null},{"id":4},{"id":5,"value":7},{"id":6,"value":true},{"id":7,"value":["a"]},{"id":8,"value":{"odd":1}}]}}
            """#
        }
        let ticket = try await client.ticket(1, .before(deadline)).ticket
        #expect(ticket.customFields == [1: .text("x"), 5: .number("7"), 6: .flag(true), 7: .list(["a"]), 8: .list([])])
        #expect([1, 2, 3, 4, 5, 6].map(ticket.text) == ["x", nil, nil, nil, "7", nil])
    }

    @Test("an update is one safe update of all fields, with the exact stamp")
    func update() async throws {
        let sent = Mutex<OutboundRequest?>(nil)
        let client = client { request in
            sent.withLock { $0 = request }
            return #"""
                {"ticket":{"id":1,"status":"open","updated_at":"2026-11-23T20:13:35Z","custom_fields":[{"id":2,"value":"x"}]},
                "audit":{"metadata":{"custom":{"version":"v"}},"events":[{"type":"Change","field_name":"2","previous_value":"w"},{"type":"Change","field_name":"3","previous_value":null},
                {"type":"Change","field_name":"subject","previous_value":"s"},{"type":"Notification"}]}}
                """#
        }
        let update = TicketUpdate(customFields: [3: nil, 2: "x"], updatedStamp: "2026-11-23T20:13:31Z", metadata: ["source": "test"])
        let answer = try await client.update(1, update, .before(deadline))
        #expect(answer.audit == TicketAudit(metadata: ["version": "v"], replaced: [2: "w", 3: nil], set: [2: nil, 3: nil]))
        let request = try #require(sent.withLock { $0 })
        #expect(request.method == .put)
        #expect(request.target == "/api/v2/tickets/1.json")
        #expect(
            request.body.map { String(decoding: $0, as: UTF8.self) } == #"""
                {"ticket":{"custom_fields":[{"id":2,"value":"x"},{"id":3,"value":null}],"metadata":{"source":"test"},"safe_update":true,"updated_stamp":"2026-11-23T20:13:31Z"}}
                """#
        )
        let headers = Dictionary(uniqueKeysWithValues: request.headers.map { ($0.name, $0.value) })
        #expect(headers["authorization"] == "Bearer t")
        #expect(headers["content-type"] == "application/json")
        #expect(headers["user-agent"]?.isEmpty == false)
    }

    @Test(
        "text that could change a query's meaning is not searched for",
        arguments: ["", "a\"b", "a\\b", "a\nb", "a\u{7f}", String(repeating: "x", count: 256)]
    )
    func unsearchable(text: String) {
        #expect(TicketSearch(customField: 7, text: text) == nil)
    }

    @Test("the last minute's usage is reported; a job counts as one call and no ticket update, however many tickets it updates")
    func usage() async throws {
        let time = ManualTime()
        let client = client(time) { request in
            request.target.contains("update_many") ? #"{"job_status":{"id":"j1","status":"queued"}}"# : #"{"tickets":[],"count":0}"#
        }
        _ = try await client.tickets([1, 2], .before(Deadline(after: .seconds(60), time.source)))
        let update = TicketUpdate(customFields: [2: "x"], updatedStamp: "2026-11-23T20:13:31Z")
        let updates = (1...5).map { (ticket: $0, update: update) }
        _ = try await client.begin(updates, .before(Deadline(after: .seconds(60), time.source)))
        func numbers(_ usage: CallUsage) -> [Int] { [usage.reads, usage.readLimit, usage.writes, usage.writeLimit, usage.jobs] }
        #expect(numbers(client.usage) == [2, 350, 0, 50, 1])
        time.advance(.seconds(61))
        #expect(numbers(client.usage) == [0, 350, 0, 50, 0])
    }

    private func client(_ time: ManualTime = ManualTime(), _ answer: @escaping @Sendable (OutboundRequest) -> String) -> ZendeskClient {
        ZendeskClient(
            transport: ScriptedTransport { request in OutboundResponse(status: 200, body: Data(answer(request).utf8)) },
            credentials: .accessToken("t"),
            time: time.source
        )
    }
}
