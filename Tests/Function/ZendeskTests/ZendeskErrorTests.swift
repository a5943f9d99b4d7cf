import FoundationEssentials
import TestSupport
import Testing
import Support
import Zendesk

@Suite("Meaning of Zendesk's answers")
struct ZendeskErrorTests {
    struct Case: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let method: OutboundRequest.Method
        let response: OutboundResponse
        let kind: ZendeskError.Kind

        init(_ description: String, _ method: OutboundRequest.Method, _ status: Int, _ body: String, _ kind: ZendeskError.Kind) {
            testDescription = "\(status) \(description)"
            self.method = method
            response = OutboundResponse(status: status, headers: ["retry-after": "42"], body: Data(body.utf8))
            self.kind = kind
        }
    }

    static let cases: [Case] = [
        .init("bad request as text", .put, 400, "bad", .unavailable),
        .init("bad request as HTML", .get, 400, "<html>", .unavailable),
        .init("bad request with an empty object", .get, 400, "{}", .unavailable),
        .init("an edge's refusal", .get, 403, "<!DOCTYPE html><title>Access denied</title>", .unavailable),
        .init("an edge's refusal of an update", .put, 403, "", .unavailable),
        .init("an edge's timeout", .put, 408, "", .unavailable),
        .init("a misdirected request", .get, 421, "", .unavailable),
        .init("too early", .get, 425, "", .unavailable),
        .init("an edge's 422", .put, 422, "unprocessable", .unavailable),
        .init("conflict as text", .put, 409, "", .conflict),
        .init("wrong token as text", .get, 401, "", .misconfigured),
        .init("another family's errors", .get, 400, #"{"errors":[{"code":"BadRequest","title":"t"}]}"#, .rejected),
        .init("an unavailable search", .get, 422, #"{"error":"unavailable","description":"Please try again in a moment."}"#, .unavailable),
        .init("an unavailable search", .get, 200, #"{"error":"unavailable","description":"Please try again in a moment."}"#, .unavailable),
        .init("error as an object", .get, 400, #"{"error":{"title":"Invalid attribute","message":"m"}}"#, .rejected),
        .init("wrong token", .get, 401, #"{"error":"Couldn't authenticate you"}"#, .misconfigured),
        .init("no rights", .put, 403, #"{"error":{"title":"Forbidden","message":"m"}}"#, .misconfigured),
        .init("deleted", .get, 404, #"{"error":"RecordNotFound","description":"Not found"}"#, .notFound),
        .init("deleted", .put, 404, #"{"error":"RecordNotFound","description":"Not found"}"#, .notFound),
        .init("wrong path", .put, 404, #"{"error":"InvalidEndpoint","description":"Not found"}"#, .misconfigured),
        .init("an edge's answer", .get, 404, "<html>", .unavailable),
        .init("safe update", .put, 409, #"{"error":"UpdateConflict","description":"d"}"#, .conflict),
        .init("collision", .put, 409, #"{"error":"DatabaseConflict","description":"Database collision"}"#, .conflict),
        .init(
            "closed, keyed by status",
            .put,
            422,
            #"{"error":"RecordInvalid","details":{"status":[{"description":"Status: closed prevents ticket update"}]}}"#,
            .rejected
        ),
        .init(
            "closed, keyed by base",
            .put,
            422,
            #"{"error":"RecordInvalid","details":{"base":[{"description":"Status closed prevents update"}]}}"#,
            .rejected
        ),
        .init(
            "required field",
            .put,
            422,
            #"{"error":"RecordInvalid","details":{"base":[{"description":"Room: is required"}]}}"#,
            .rejected
        ),
        .init("locked", .put, 423, "", .unavailable),
        .init("account limit", .get, 429, #"{"error":"APIRateLimitExceeded","description":"d"}"#, .limited(.account)),
        .init(
            "ticket limit",
            .put,
            429,
            "Rate limit for ticket updates exceeded, please wait before updating this ticket again",
            .limited(.ticket)
        ),
        .init("failing read", .get, 500, "<html>", .unavailable),
        .init("failing update", .put, 500, "<html>", .outcomeUnknown),
        .init("gateway", .put, 502, "", .outcomeUnknown),
        .init("maintenance", .put, 503, "", .unavailable),
        .init("redirect", .get, 302, "", .misconfigured),
        .init("read with a body that is no JSON", .get, 200, "<html>", .unavailable),
        .init("update with a body that is no JSON", .put, 200, "<html>", .outcomeUnknown),
        .init("read with another shape", .get, 200, #"{"tickets":[]}"#, .unavailable),
    ]

    @Test("each answer is classified by what can be done about it", arguments: cases)
    func kind(of answer: Case) async {
        let client = ZendeskClient(
            transport: ScriptedTransport { _ in answer.response },
            credentials: .accessToken("secret-token"),
            time: ManualTime().source
        )
        let deadline = Deadline(after: .seconds(5), ManualTime().source)
        do throws(ZendeskError) {
            switch answer.method {
            case .get: _ = try await client.ticket(1, .before(deadline))
            default: _ = try await client.update(1, TicketUpdate(customFields: [1: "x"], updatedStamp: "s"), .before(deadline))
            }
            Issue.record("no error")
        } catch {
            #expect(error.kind == answer.kind)
            #expect(!error.description.contains("secret-token"))
            if [409, 423, 429, 500, 502, 503].contains(answer.response.status) { #expect(error.retryAfter == .seconds(42)) }
        }
    }

    private func message(_ status: Int, _ body: String, headers: [String: String] = [:]) -> ZendeskError {
        ZendeskError(
            OutboundResponse(status: status, headers: headers, body: Data(body.utf8)),
            to: OutboundRequest(.put, "/api/v2/tickets/1.json")
        )
    }

    @Test("an edge's answer does not blame roles or scopes")
    func edge() {
        let text = message(403, "<html>secret</html>", headers: ["content-type": "text/html; charset=UTF-8"]).description
        #expect(text.hasPrefix("something in front of Zendesk answered 403 (text/html): "))
        #expect(!text.contains("role") && !text.contains("secret"))
        #expect(message(421, "").description.contains("421 (no body)"))
        #expect(message(400, "x", headers: ["content-type": "a b\nc"]).description.contains("no content type"))
    }

    @Test("a ticket field at fault is named, whatever the account's language")
    func requiredField() {
        let body =
            #"{"error":"RecordInvalid","details":{"base":[{"description":"Zimmer: fehlt","ticket_field_id":360001,"#
            + #""ticket_field_type":"FieldText"}]}}"#
        let text = message(422, body).description
        #expect(text.contains("base, ticket field 360001"))
        #expect(!text.contains("Zimmer"))
    }

    @Test("Retry-After may be a date")
    func retryAfterDate() {
        let headers = ["retry-after": "Mon, 30 Nov 2026 09:00:30 GMT", "date": "Mon, 30 Nov 2026 09:00:00 GMT"]
        #expect(message(503, "", headers: headers).retryAfter == .seconds(30))
        #expect(message(503, "", headers: ["retry-after": "soon"]).retryAfter == nil)
        #expect(message(503, "", headers: ["retry-after": "99999999999"]).retryAfter == .seconds(600))
        #expect(message(503, "", headers: ["retry-after": "Mon, 30 Nov 2020 09:00:30 GMT"]).retryAfter == .seconds(1))
    }

    @Test(
        "a refused token says what to do",
        arguments: [
            (#"{"error":"invalid_scope","error_description":"x"}"#, 400, "allow the OAuth client the scopes read write"),
            (#"{"error":"invalid_client","error_description":"x"}"#, 401, "id and secret"),
            ("<html>", 403, "something in front of Zendesk answered 403"),
        ]
    )
    func mint(body: String, status: Int, advice: String) async {
        let client = ZendeskClient(
            transport: ScriptedTransport { _ in OutboundResponse(status: status, headers: [:], body: Data(body.utf8)) },
            credentials: .client(id: "c", secret: "s"),
            time: ManualTime().source
        )
        do throws(ZendeskError) {
            _ = try await client.ticket(1, .before(Deadline(after: .seconds(5), ManualTime().source)))
            Issue.record("no error")
        } catch {
            #expect(error.description.contains(advice))
            #expect(advice.contains("id and secret") || !error.description.contains("id and secret"))
        }
    }

    @Test(
        "a missing answer means one thing for a read and another for an update",
        arguments: [
            (.get, .notSent("x"), .unavailable), (.put, .notSent("x"), .unavailable), (.get, .noAnswer("x"), .unavailable),
            (.put, .noAnswer("x"), .outcomeUnknown), (.put, .cancelled, .cancelled),
        ] as [(OutboundRequest.Method, OutboundError, ZendeskError.Kind)]
    )
    func noAnswer(method: OutboundRequest.Method, failure: OutboundError, kind: ZendeskError.Kind) async {
        let client = ZendeskClient(
            transport: ScriptedTransport { _ throws(OutboundError) in throw failure },
            credentials: .accessToken("t"),
            time: ManualTime().source
        )
        let deadline = Deadline(after: .seconds(5), ManualTime().source)
        do throws(ZendeskError) {
            switch method {
            case .get: _ = try await client.ticket(1, .before(deadline))
            default: _ = try await client.update(1, TicketUpdate(customFields: [:], updatedStamp: "s"), .before(deadline))
            }
            Issue.record("no error")
        } catch {
            #expect(error.kind == kind)
        }
    }

    @Test("nothing is sent after the deadline")
    func deadline() async {
        let time = ManualTime()
        let deadline = Deadline(after: .seconds(1), time.source)
        time.advance(.seconds(1))
        let client = ZendeskClient(
            transport: ScriptedTransport { _ in
                Issue.record("a request was sent")
                return OutboundResponse(status: 500)
            },
            credentials: .accessToken("t"),
            time: ManualTime().source
        )
        await #expect(throws: ZendeskError.self) { try await client.ticket(1, .before(deadline)) }
    }
}
