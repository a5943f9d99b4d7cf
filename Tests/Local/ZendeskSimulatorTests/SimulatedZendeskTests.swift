import Foundation
import Testing

@testable import ZendeskSimulator

@Suite("The simulated account")
struct SimulatedZendeskTests {
    private static let start = 1_795_464_811.0
    private var account: SimulatedZendesk

    init() {
        account = SimulatedZendesk(fields: [
            TicketField(id: 1, title: "Booking ID"),
            TicketField(id: 2, title: "Status", options: [.init(name: "Booked", tag: "booked"), .init(name: "In stay", tag: "in_stay")]),
        ])
        for (id, booking) in [(1, "BK-1"), (2, "BK-12"), (3, "bk 1"), (4, "BK-2")] {
            account.put(
                SimulatedTicket(id: id, subject: "T\(id)", createdAt: Self.start - 100, customFields: [1: .string(booking)]),
                now: Self.start - 100
            )
        }
    }

    @Test(
        "search is fuzzy: it ignores case, matches prefixes and splits words",
        arguments: [
            ("custom_field_1:\"BK-1\"", [1, 2, 3]), ("custom_field_1:\"bk-12\"", [2]), ("custom_field_1:BK-2", [4]),
            ("custom_field_1:\"K-1\"", []), ("custom_field_1:*", [1, 2, 3, 4]), ("custom_field_2:*", []), ("status<closed", [1, 2, 3, 4]),
            ("status<open", []), ("type:ticket status<closed custom_field_1:\"BK-2\"", [4]),
        ]
    )
    mutating func search(query: String, ids: [Int]) throws {
        let answer = try json(get("/api/v2/search.json?query=\(encoded(query))&sort_order=asc"))
        #expect(answer.results?.map(\.id) == ids)
        #expect(answer.count == ids.count)
    }

    @Test("a field emptied through the API has no value, not even for search and views")
    func emptied() throws {
        var account = SimulatedZendesk(fields: [TicketField(id: 1, title: "Text")])
        account.put(SimulatedTicket(id: 7, subject: "", createdAt: 0, customFields: [1: "x"]), now: 0)
        func request(_ method: String, _ target: String, _ body: String = "") -> SimulatedZendesk.Request {
            .init(method: method, target: target, body: Data(body.utf8))
        }
        _ = account.respond(to: request("PUT", "/api/v2/tickets/7.json", #"{"ticket":{"custom_fields":[{"id":1,"value":null}]}}"#), now: 1)
        #expect(account.tickets[7]?.customFields.isEmpty == true)
        let search = "/api/v2/search.json?query=type%3Aticket%20custom_field_1%3A%2A"
        let answer = account.respond(to: request("GET", search), now: 2)
        #expect(String(decoding: answer.body, as: UTF8.self).contains(#""count":0"#))
    }

    @Test("an unsupported search is refused and recorded")
    mutating func unknownSearch() {
        #expect(get("/api/v2/search.json?query=\(encoded("assignee:me"))").status == 422)
        #expect(get("/api/v2/users.json").status == 404)
        #expect(account.unknownRequests == ["search term assignee:me", "GET /api/v2/users.json"])
    }

    @Test("search returns a hundred hits a page and a thousand in total")
    mutating func pages() throws {
        for id in 100..<1200 {
            account.put(SimulatedTicket(id: id, subject: "", createdAt: Self.start, customFields: [1: "many"]), now: Self.start)
        }
        let query = "/api/v2/search.json?query=\(encoded("custom_field_1:many"))&sort_order=asc&page="
        let first = try json(get(query + "1"))
        #expect(first.results?.count == 100)
        #expect(first.count == 1100)
        #expect(first.next_page != nil)
        let last = try json(get(query + "10"))
        #expect(last.results?.last?.id == 1099)
        #expect(last.next_page == nil)
        #expect(get(query + "11").status == 422)
    }

    @Test("the word index finds the same tickets as a scan of all tickets", arguments: 0..<20 as Range<UInt64>)
    func words(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        var index = SimulatedIndex()
        var tickets: [Int: SimulatedTicket] = [:]
        for step in 0..<300 {
            let id = Int.random(in: 1...30, using: &random)
            if Int.random(in: 0..<5, using: &random) == 0 {
                index.remove(id)
                tickets[id] = nil
            } else {
                let words = (0..<Int.random(in: 0...3, using: &random)).map { _ in
                    String("aAbBcÄé1".shuffled(using: &random).prefix(Int.random(in: 1...3, using: &random)))
                }
                var ticket = SimulatedTicket(
                    id: id,
                    subject: "",
                    createdAt: Double(id),
                    customFields: [1: .string(words.joined(separator: "-"))]
                )
                ticket.updatedAt = Double(step)
                index.add(ticket, visibleAt: Double(step))
                tickets[id] = ticket
            }
            let text = ["a", "b", "ab", "c", "ä", "é1", "a-b", "1-a", "b c"].randomElement(using: &random)!
            let query = try SearchQuery("custom_field_1:\"\(text)\"")
            #expect(index.hits(query, now: Double(step)).map(\.id) == tickets.values.filter(query.matches).map(\.id).sorted())
        }
    }

    @Test("search lags behind and shows the former state")
    mutating func lag() throws {
        account.searchLag = 30...30
        account.edit(1, now: Self.start) { $0.customFields[1] = "other" }
        #expect(try json(get("/api/v2/search.json?query=custom_field_1:other", at: 29)).count == 0)
        #expect(try json(get("/api/v2/search.json?query=custom_field_1:other", at: 30)).count == 1)
    }

    @Test("show_many omits missing tickets, answers in the order of the IDs and takes at most a hundred")
    mutating func showMany() throws {
        #expect(try json(get("/api/v2/tickets/show_many.json?ids=4,99,1")).tickets?.map(\.id) == [1, 4])
        #expect(get("/api/v2/tickets/show_many.json?ids=\((1...101).map(String.init).joined(separator: ","))").status == 400)
        #expect(get("/api/v2/tickets/99.json").status == 404)
    }

    @Test("an update changes what it lists, and an audit records the former values")
    mutating func update() throws {
        let answer = try json(put(1, #"{"ticket":{"custom_fields":[{"id":2,"value":"booked"}],"metadata":{"a":"b"},"odd":1}}"#))
        #expect(answer.ticket?.updated_at == "2026-11-23T20:13:31Z")
        #expect(account.tickets[1]?.customFields == [1: "BK-1", 2: "booked"])
        #expect(
            account.tickets[1]?.audits == [
                .init(at: Self.start, changes: [.init(field: "2", from: .null, to: "booked")], metadata: ["a": "b"])
            ]
        )
    }

    @Test("an unknown tag is dropped with 200, and the rest is kept")
    mutating func unknownTag() {
        #expect(put(1, #"{"ticket":{"subject":"new","custom_fields":[{"id":2,"value":"levitating"}]}}"#).status == 200)
        #expect(account.tickets[1]?.customFields == [1: "BK-1"])
        #expect(account.tickets[1]?.subject == "new")
    }

    @Test("an update that changes nothing does not move updated_at")
    mutating func noChange() throws {
        let answer = try json(put(1, #"{"ticket":{"custom_fields":[{"id":1,"value":"BK-1"}]}}"#))
        #expect(answer.ticket?.updated_at == "2026-11-23T20:11:51Z")
    }

    @Test(
        "a safe update fails if the ticket changed after the stamp's second, but misses a change within it",
        arguments: [("2026-11-23T20:13:30Z", "true", 409), ("2026-11-23T20:13:30Z", "false", 409), ("2026-11-23T20:13:31Z", "true", 200)]
    )
    mutating func safeUpdate(stamp: String, value: String, status: Int) {
        account.edit(1, now: Self.start + 0.9) { $0.subject = "changed" }
        let body = #"{"ticket":{"subject":"x","safe_update":\#(value),"updated_stamp":"\#(stamp)"}}"#
        #expect(put(1, body, at: 1).status == status)
    }

    @Test("a closed ticket accepts no update")
    mutating func closed() {
        account.edit(1, now: Self.start) { $0.status = "closed" }
        let answer = put(1, #"{"ticket":{"subject":"x"}}"#)
        #expect(answer.status == 422)
        #expect(String(decoding: answer.body, as: UTF8.self).contains("closed prevents ticket update"))
    }

    @Test("each limit answers 429 with the time to wait")
    mutating func limits() {
        account.limits.updatesOfOneTicket = 2
        let answers = (1...3).map { put(1, #"{"ticket":{"subject":"\#($0)"}}"#) }
        #expect(answers.map(\.status) == [200, 200, 429])
        #expect(answers[2].contentType.hasPrefix("text/plain"))
        #expect(answers[2].headers["retry-after"] == "600")
        account.limits.ticketUpdates = 4
        #expect(put(2, #"{"ticket":{"subject":"x"}}"#, at: 10).status == 200)
        let limited = put(2, #"{"ticket":{"subject":"y"}}"#, at: 10)
        #expect(limited.status == 429)
        #expect(limited.headers["retry-after"] == "50")
        #expect(put(2, #"{"ticket":{"subject":"y"}}"#, at: 60).status == 200)
        account.limits.requests = 1
        #expect(get("/api/v2/tickets/1.json", at: 61).status == 429)
        #expect(get("/api/v2/tickets/1.json", at: 121).status == 200)
    }

    @Test("a wrong token is rejected")
    mutating func token() {
        account.accessToken = "right"
        #expect(get("/api/v2/tickets/1.json").status == 401)
        let request = SimulatedZendesk.Request(method: "GET", target: "/api/v2/tickets/1.json", authorization: "Bearer right")
        #expect(account.respond(to: request, now: Self.start).status == 200)
    }

    @Test("one seed gives the same bytes in every run")
    func deterministic() {
        let runs = (1...2).map { _ in
            var account = account
            return (1...4).map { account.respond(to: .init(method: "GET", target: "/api/v2/tickets/\($0).json"), now: Self.start).body }
        }
        #expect(runs[0] == runs[1])
    }

    private struct Answer: Decodable {
        struct Ticket: Decodable { let id: Int, updated_at: String }
        let results: [Ticket]?
        let tickets: [Ticket]?
        let ticket: Ticket?
        let count: Int?
        let next_page: String?
    }

    private func json(_ response: SimulatedZendesk.Response) throws -> Answer {
        #expect(response.status == 200)
        return try JSONDecoder().decode(Answer.self, from: response.body)
    }

    private func encoded(_ text: String) -> String {
        text.addingPercentEncoding(withAllowedCharacters: .alphanumerics)!
    }

    private mutating func get(_ target: String, at seconds: Double = 0) -> SimulatedZendesk.Response {
        account.respond(to: .init(method: "GET", target: target), now: Self.start + seconds)
    }

    private mutating func put(_ id: Int, _ body: String, at seconds: Double = 0) -> SimulatedZendesk.Response {
        account.respond(
            to: .init(method: "PUT", target: "/api/v2/tickets/\(id).json", body: Data(body.utf8)),
            now: Self.start + seconds
        )
    }
}
