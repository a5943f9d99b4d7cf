import Foundation
import TestSupport
import Testing

@testable import ZendeskSimulator

/// Holds the simulated account's answers against the shapes of recorded ones.
///
/// Source: the recorded traffic in the tests of the client library zenpy (facetoe/zenpy,
/// tests/test_api/betamax, 2023 and 2024).
@Suite("The simulated account answers like the real one")
struct RecordedAnswersTests {
    /// The types that were seen at each path of an answer's body.
    private struct Recorded: Decodable {
        let status: Int
        let headers: [String]
        let body: [String: Set<String>]
    }

    private static let recorded = try! JSONDecoder().decode([String: Recorded].self, from: Fixtures.zendeskAnswers)
    private static let now = 1_795_464_811.0

    private static func account(seed: UInt64) -> SimulatedZendesk {
        let options = [TicketField.Option(name: "Booked", tag: "booked"), .init(name: "In stay", tag: "in_stay")]
        var account = SimulatedZendesk(
            fields: [TicketField(id: 1, title: "Booking ID"), TicketField(id: 2, title: "Status", options: options)],
            seed: seed
        )
        for id in 1...3 {
            account.put(SimulatedTicket(id: id, subject: "T", createdAt: now - 100, customFields: [1: "BK-1"]), now: now - 100)
        }
        return account
    }

    @Test(
        "each path of an answer has a recorded type",
        arguments: [
            ("PUT tickets/{id}", "/api/v2/tickets/1.json", #"{"ticket":{"custom_fields":[{"id":2,"value":"booked"}]}}"#),
            ("PUT tickets/{id} missing", "/api/v2/tickets/9.json", #"{"ticket":{}}"#),
            ("GET tickets/{id}", "/api/v2/tickets/1.json", ""),
            ("GET tickets", "/api/v2/tickets.json?page[size]=2", ""),
            ("GET tickets", "/api/v2/tickets.json", ""),
            ("PUT tickets/update_many", "/api/v2/tickets/update_many.json", #"{"tickets":[{"id":1,"subject":"x"},{"id":9}]}"#),
            ("GET job_statuses/{id}", "/api/v2/job_statuses/V3-1.json", ""),
            ("GET tickets/show_many", "/api/v2/tickets/show_many.json?ids=3,1", ""),
            ("GET search/export", "/api/v2/search/export.json?query=custom_field_1:*&filter[type]=ticket&page[size]=2", ""),
            ("GET tickets/{id}/audits", "/api/v2/tickets/1/audits.json?page[size]=2", ""),
            ("POST ticket_fields", "/api/v2/ticket_fields.json", #"{"ticket_field":{"type":"text","title":"x"}}"#),
            ("PUT ticket_fields/{id} missing", "/api/v2/ticket_fields/9.json", #"{"ticket_field":{}}"#),
            (
                "POST views", "/api/v2/views.json",
                #"{"view":{"title":"x","all":[{"field":"status","operator":"less_than","value":"solved"}]}}"#
            ),
            ("GET views", "/api/v2/views.json", ""),
            ("GET views/{id}/tickets", "/api/v2/views/501/tickets.json?page[size]=2", ""),
            ("GET users/me", "/api/v2/users/me.json", ""),
            ("too many values", "/api/v2/tickets/show_many.json?ids=\((1...101).map(String.init).joined(separator: ","))", ""),
        ]
    )
    func types(name: String, target: String, body: String) throws {
        let recorded = try #require(Self.recorded[name])
        for seed in UInt64(0)..<12 {
            var account = Self.account(seed: seed)
            func call(_ method: String, _ target: String, _ body: String) -> SimulatedZendesk.Response {
                account.respond(to: .init(method: method, target: target, body: Data(body.utf8)), now: Self.now)
            }
            _ = call("PUT", "/api/v2/tickets/update_many.json", #"{"tickets":[{"id":2,"subject":"y"},{"id":8}]}"#)
            _ = call("PUT", "/api/v2/tickets/1.json", #"{"ticket":{"subject":"z"}}"#)
            _ = call("POST", "/api/v2/views.json", #"{"view":{"title":"all","all":[]}}"#)
            let answer = call(name.hasPrefix("PUT") || name.hasPrefix("POST") ? String(name.prefix { $0 != " " }) : "GET", target, body)
            #expect(answer.status == recorded.status)
            let seen = Self.shape(of: try JSONDecoder().decode(JSON.self, from: answer.body))
            for (path, types) in seen {
                guard var known = recorded.body[path] else { continue }
                // One update was recorded, of a field that had a value; lists of audits have both.
                if path.hasSuffix("previous_value") { known.insert("null") }
                #expect(types.isSubset(of: known), "\(name): \(path) is \(types), recorded as \(known)")
            }
            // What is read as a whole has every member that a real one has.
            let whole = recorded.body.keys.filter { path in
                ["ticket.", "tickets[].", "audit.", "audits[].", "job_status.", "meta.", "links."].contains { path.hasPrefix($0) }
            }
            let missing = whole.filter { path in
                seen[path] == nil && !Self.comesAndGoes(path) && seen[String(path[..<path.lastIndex(of: ".")!])]?.contains("object") == true
            }
            #expect(missing.isEmpty, "\(name) has no \(missing.sorted())")
        }
    }

    /// Members of an object that not every recorded answer has.
    private static func comesAndGoes(_ path: String) -> Bool {
        path.hasSuffix("previous_value") || path.hasSuffix("field_name") || path.hasSuffix(".events[].value")
            || path.hasPrefix("job_status.results") || path == "job_status.job_type" || path.hasPrefix("links.")
            || path.hasSuffix(".fields") || path.hasSuffix("[]")
    }

    @Test("the limits are given in one of the recorded spellings", arguments: UInt64(0)..<12)
    func headers(seed: UInt64) throws {
        var account = Self.account(seed: seed)
        let answer = account.respond(to: .init(method: "GET", target: "/api/v2/tickets/1.json"), now: Self.now)
        let old: Set = ["rate-limit", "rate-limit-remaining", "rate-limit-reset"]
        let new: Set = ["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"]
        #expect(old.isSubset(of: answer.headers.keys) || new.isSubset(of: answer.headers.keys))
        #expect(answer.headers["x-rate-limit"] != nil)
    }

    @Test("an empty field and an audit's empty former value are each null, an empty string or absent; an account plays one form of each")
    func empty() throws {
        var readings: Set<String> = []
        for seed in UInt64(0)..<40 {
            var account = Self.account(seed: seed)
            let body = Data(#"{"ticket":{"custom_fields":[{"id":2,"value":"booked"}]}}"#.utf8)
            let before = account.respond(to: .init(method: "GET", target: "/api/v2/tickets/1.json"), now: Self.now)
            let answer = account.respond(to: .init(method: "PUT", target: "/api/v2/tickets/1.json", body: body), now: Self.now)
            let field = before.json["ticket"]?["custom_fields"]?.array?.first { $0["id"] == 2 }
            let former = answer.json["audit"]?["events"]?.array?.first?["previous_value"]
            readings.insert("field \(field.map { "\($0["value"] ?? "absent")" } ?? "absent"), audit \(former.map { "\($0)" } ?? "absent")")
        }
        #expect(readings.count == 9)
    }

    private static func shape(of json: JSON, at path: String = "") -> [String: Set<String>] {
        var shape: [String: Set<String>] = path.isEmpty ? [:] : [path: [type(of: json)]]
        switch json {
        case .object(let members):
            for member in members {
                let own = path.isEmpty ? member.name : "\(path).\(member.name)"
                shape.merge(Self.shape(of: member.value, at: own)) { $0.union($1) }
            }
        case .array(let values):
            for value in values { shape.merge(Self.shape(of: value, at: "\(path)[]")) { $0.union($1) } }
        default: break
        }
        return shape
    }

    private static func type(of json: JSON) -> String {
        switch json {
        case .null: "null"
        case .bool: "boolean"
        case .int: "integer"
        case .number: "number"
        case .string: "string"
        case .array: "array"
        case .object: "object"
        }
    }
}
