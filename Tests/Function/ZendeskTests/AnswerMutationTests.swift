import FoundationEssentials
import TestSupport
import Testing
import Support
import Zendesk
import ZendeskSimulator

/// Zendesk's answers and those of its token endpoint, damaged: a call ends, in time, and the client
/// goes on.
@Suite("Damaged answers from Zendesk", .timeLimit(.minutes(10)))
struct AnswerMutationTests {
    private static let bodies = [
        #"{"ticket":{"id":1,"status":"open","updated_at":"2026-11-23T20:13:31Z","custom_fields":[{"id":2,"value":"booked"}]},"audit":{"id":9,"events":[{"id":1,"type":"Change","field_name":"2","value":"booked","previous_value":null}]}}"#,
        #"{"tickets":[{"id":1,"status":"open","updated_at":"2026-11-23T20:13:31Z","custom_fields":[]}],"count":1,"meta":{"has_more":true,"after_cursor":"c"}}"#,
        #"{"results":[{"id":1,"created_at":"2026-11-23T20:13:31Z","custom_fields":[{"id":2,"value":"b"}]}],"next_page":null,"count":1,"meta":{"has_more":false,"after_cursor":null}}"#,
        #"{"audits":[{"id":9,"created_at":"2026-11-23T20:13:31Z","events":[{"type":"Change","field_name":"2","value":"x"}]}],"meta":{"has_more":false}}"#,
        #"{"job_status":{"id":"8b7","status":"completed","total":2,"progress":2,"results":[{"id":1,"status":"Updated","success":true}]}}"#,
        #"{"job_statuses":[{"id":"8b7","status":"working","total":2,"progress":1,"results":null}]}"#,
        #"{"ticket_field":{"id":2,"type":"tagger","active":true,"custom_field_options":[{"name":"Booked","value":"booked"}]}}"#,
        #"{"error":"RecordInvalid","description":"x","details":{"status":[{"description":"y"}]}}"#,
        #"{"access_token":"t","token_type":"bearer","expires_in":1800}"#,
    ]
    private static let headers = [
        "retry-after", "ratelimit-limit", "ratelimit-remaining", "ratelimit-reset", "x-rate-limit", "x-rate-limit-remaining",
        "zendesk-ratelimit-tickets-update", "zendesk-ratelimit-search-index", "date",
    ]
    private static let values = [
        "1", "60", "0", "-1", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "1e400", "", "soon", "1, 2", "700",
        "total=100; remaining=0; resets=9223372036854775807", "total=9223372036854775807; remaining=-1; resets=-9223372036854775808",
        "total=;=;;", "Tue, 24 Nov 9999 02:54:00 GMT", "Tue, 24 Nov 0001 02:54:00 GMT",
    ]

    private static let calls: [@Sendable (ZendeskClient, Deadline) async throws -> Void] = [
        { _ = try await $0.ticket(1, .before($1)) },
        { _ = try await $0.tickets([1, 2], .before($1)) },
        { _ = try await $0.allHits(#require(TicketSearch(customField: 2, text: "b")), showing: 2, .before($1)) },
        { _ = try await $0.hits(#require(TicketSearch(customField: 2, text: "b")), showing: 2, .before($1)) },
        { _ = try await $0.exportedTickets(#require(TicketSearch(customField: 2, text: "b")), after: nil, .before($1)) },
        { _ = try await $0.ticketsByUpdate(after: nil, .before($1)) },
        { _ = try await $0.audits(of: 1, .before($1)) },
        { _ = try await $0.field(2, accepts: "booked", .before($1)) },
        { _ = try await $0.jobs(["8b7"], .before($1)) },
        { _ = try await $0.update(1, TicketUpdate(customFields: [2: "booked"], updatedStamp: "2026-11-23T20:13:31Z"), .before($1)) },
    ]

    @Test("each call ends in time, and no number in an answer blocks calls for longer than ten minutes")
    func damaged() async throws {
        var account = SimulatedZendesk(fields: [TicketField(id: 2, title: "Status", options: [.init(name: "Booked", tag: "booked")])])
        account.clients = [.init(id: "c", secret: "s")]
        var successes = 0
        for seed in 0..<Mutation.count {
            var mutation = Mutation(seed: seed, Self.bodies)
            let time = ManualTime()
            account.put(SimulatedTicket(id: 1, subject: "", createdAt: time.start - 100), now: time.start - 100)
            let transport = SimulatorTransport(account, time.source)
            let client = ZendeskClient(transport: transport, credentials: .client(id: "c", secret: "s"), time: time.source)
            let answers = (0..<8).map { _ in
                OutboundResponse(
                    status: mutation.pick([200, 200, 200, 200, 201, 204, 302, 400, 401, 403, 404, 409, 422, 423, 429, 500, 503, 999, -1]),
                    headers: Dictionary((0..<2).map { _ in (mutation.pick(Self.headers), mutation.pick(Self.values)) }) { $1 },
                    body: mutation.next()
                )
            }
            // The token is needed for anything else, so it comes as it should half of the time.
            let spoilsTokens = mutation.pick([true, false])
            let isWell = (0..<8).map { _ in mutation.pick([true, false]) }
            transport.before { request, number in
                let isToken = request.target == "/oauth/tokens"
                return (isToken ? !spoilsTokens : isWell[number % 8]) ? nil : answers[number % 8]
            }
            for call in [mutation.pick(Self.calls), mutation.pick(Self.calls)] {
                let begin = time.secondsSince1970
                do {
                    try await call(client, Deadline(after: .seconds(20), time.source))
                    successes += 1
                } catch let error as ZendeskError {
                    #expect(error.description.utf8.count < 500, "seed \(seed): \(error)")
                }
                #expect(time.secondsSince1970 - begin <= 20.5, "seed \(seed)")
            }
            #expect(transport.requests.count < 100, "seed \(seed)")
            // Zendesk is well again.
            transport.before { _, _ in nil }
            time.advance(.seconds(601))
            await #expect(throws: Never.self, "seed \(seed)") {
                try await client.ticket(1, .before(Deadline(after: .seconds(61), time.source)))
            }
        }
        #expect(successes > Int(Mutation.count) / 50)
    }
}
