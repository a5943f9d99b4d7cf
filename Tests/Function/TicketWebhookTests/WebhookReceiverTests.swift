import Crypto
import Foundation
import FunctionHosting
import FunctionRuntime
import HTTPTypes
import InMemoryLogging
import Logging
import Support
import TestSupport
import Testing

@testable import TicketWebhook

@Suite("The receiver of Zendesk's webhooks")
struct WebhookReceiverTests {
    private static let now = 1_795_464_900.0
    private static let secret = "dGhpcy1pcy1zZWNyZXQ"
    private static let created = #"{"type":"zen:event-type:ticket.created","id":"e","time":"2026-11-24T00:00:00Z","detail":{"id":"35436"}}"#

    private let published = Locked<[[String: String]]>([])
    private let log = InMemoryLogHandler()

    /// What the executable does with its secrets.
    private func isAuthentic(_ secrets: [String]) -> WebhookReceiver.IsAuthentic {
        let keys = secrets.map { SymmetricKey(data: Data($0.utf8)) }
        return { signature, text in
            keys.contains { HMAC<SHA256>.isValidAuthenticationCode(signature, authenticating: text, using: $0) }
        }
    }

    private func function(_ secrets: [String] = [secret], field: Int? = nil, failure: GoogleAPI.Failure? = nil) -> InProcessFunction {
        let receiver = WebhookReceiver(
            isAuthentic: isAuthentic(secrets),
            bookingIDField: field,
            publish: { [published] attributes, _ throws(GoogleAPI.Failure) in
                if let failure { throw failure }
                published.withLock { $0.append(attributes) }
            },
            time: TimeSource(now: { .zero }, secondsSince1970: { Self.now }, sleep: { _ in }, random: { 0 })
        )
        return InProcessFunction(
            receiver,
            configuration: FunctionServerConfiguration(maximumBodyBytes: WebhookReceiver.maximumBytes),
            logger: Logger(label: "test") { [log] _ in log }
        )
    }

    /// A request as Zendesk signs it.
    private func signed(_ body: String, by secret: String = secret, age: Double = 0, method: HTTPRequest.Method = .post) -> HTTPRequest {
        let timestamp = RFC3339(seconds: Int64(Self.now - age)).description
        var request = HTTPRequest(method: method, scheme: nil, authority: nil, path: "/")
        let key = SymmetricKey(data: Data(secret.utf8))
        let signature = HMAC<SHA256>.authenticationCode(for: Data((timestamp + body).utf8), using: key)
        request.headerFields[.init("X-Zendesk-Webhook-Signature")!] = Data(signature).base64EncodedString()
        request.headerFields[.init("X-Zendesk-Webhook-Signature-Timestamp")!] = timestamp
        return request
    }

    private func status(_ request: HTTPRequest, _ body: String, _ function: InProcessFunction? = nil) async -> Int {
        let (response, answer) = await (function ?? self.function()).respond(to: request, body: Data(body.utf8))
        if response.status == .unauthorized { #expect(answer.isEmpty) }
        return response.status.code
    }

    @Test("publishes one message for a new ticket, whether its id is text or a number", arguments: [#""35436""#, "35436"])
    func newTicket(id: String) async {
        let body = #"{"type":"zen:event-type:ticket.created","detail":{"id":\#(id)}}"#
        #expect(await status(signed(body), body) == 204)
        #expect(published.value == [["task": "ticket", "ticket": "35436"]])
    }

    /// Source: Zendesk's developer documentation, "Verifying webhook authenticity", whose static secret
    /// for tests this is; the signature is computed with OpenSSL.
    @Test("accepts a signature that another implementation has made")
    func knownSignature() throws {
        let secret = "dGhpc19zZWNyZXRfaXNfZm9yX3Rlc3Rpbmdfb25seQ=="
        let signature = try #require(Data(base64Encoded: "tIJ2IRJwKqu41OsQbcc28tWt/WOQ65URjJb8o289ZpY="))
        #expect(isAuthentic([secret])(signature, Data(#"2026-11-24T00:00:00Z{"a":1}"#.utf8)))
    }

    @Test("a forged, changed or replayed request is refused without a word, and nothing is published")
    func forged() async {
        let body = Self.created
        var unsigned = signed(body)
        unsigned.headerFields[.init("X-Zendesk-Webhook-Signature")!] = nil
        var later = signed(body)
        later.headerFields[.init("X-Zendesk-Webhook-Signature-Timestamp")!] = RFC3339(seconds: Int64(Self.now) - 1).description
        var noBase64 = signed(body)
        noBase64.headerFields[.init("X-Zendesk-Webhook-Signature")!] = "?"
        var noTime = signed(body)
        noTime.headerFields[.init("X-Zendesk-Webhook-Signature-Timestamp")!] = "yesterday"
        let requests = [
            unsigned, later, noBase64, noTime, signed(body, by: "another"), signed(body + " "), signed(body, age: 3601),
            signed(body, age: -3601),
        ]
        for request in requests { #expect(await status(request, body) == 401) }
        #expect(await status(signed(body, age: 3599), body) == 204)
        #expect(published.value.count == 1)
        #expect(log.entries.count { $0.metadata["outcome"] == "refused" } == requests.count)
        #expect(log.entries.allSatisfy { !"\($0.message) \($0.metadata)".contains(Self.secret) })
    }

    @Test("a signature is checked as a whole: no changed byte passes")
    func bytes() throws {
        let check = isAuthentic([Self.secret])
        let text = Data("2026-11-24T00:00:00Z{}".utf8)
        let signature = Data(HMAC<SHA256>.authenticationCode(for: text, using: SymmetricKey(data: Data(Self.secret.utf8))))
        #expect(check(signature, text))
        for index in signature.indices {
            var changed = signature
            changed[index] ^= 1
            #expect(!check(changed, text))
        }
        for length in 0..<signature.count { #expect(!check(signature.prefix(length), text)) }
        for index in text.indices {
            var changed = text
            changed[index] ^= 1
            #expect(!check(signature, changed))
        }
    }

    @Test("two secrets are known while one replaces the other")
    func rotation() async {
        let function = function(["new", "old"])
        for secret in ["new", "old"] { #expect(await status(signed(Self.created, by: secret), Self.created, function) == 204) }
        #expect(await status(signed(Self.created, by: "older"), Self.created, function) == 401)
    }

    @Test("other events are accepted and ignored; a change of the booking's field counts where it is asked for")
    func otherEvents() async {
        func changed(_ field: String) -> String {
            #"{"type":"zen:event-type:ticket.custom_field_changed","detail":{"id":"7"},"event":{"custom_field":{"id":\#(field)}}}"#
        }
        for body in [#"{"type":"zen:event-type:ticket.status_changed","detail":{"id":"7"}}"#, changed("11"), #"{"type":"x","detail":[]}"#] {
            #expect(await status(signed(body), body) == 204)
        }
        #expect(published.value.isEmpty)
        let function = function(field: 11)
        for id in [#""11""#, "11", #""12""#, "null"] { #expect(await status(signed(changed(id)), changed(id), function) == 204) }
        #expect(published.value == [["task": "ticket", "ticket": "7"], ["task": "ticket", "ticket": "7"]])
    }

    @Test(
        "a signed body that is no event is refused for good",
        arguments: [
            "", "[]", "{", "null", #"{"type":1}"#, #"{"type":"zen:event-type:ticket.created"}"#,
            #"{"type":"zen:event-type:ticket.created","detail":{"id":"x"}}"#, #"{"type":"zen:event-type:ticket.created","detail":[]}"#,
            #"{"type":"zen:event-type:ticket.created","detail":{"id":-1}}"#, String(repeating: "[", count: 100_000),
        ]
    )
    func noEvent(body: String) async {
        #expect(await status(signed(body), body) == 422)
        #expect(published.value.isEmpty)
    }

    @Test("is answered 503 with a short Retry-After until Pub/Sub has the message", arguments: [true, false])
    func unpublished(needsPerson: Bool) async {
        let function = function(failure: GoogleAPI.Failure("Pub/Sub answers 403", needsPerson: needsPerson))
        let (response, _) = await function.respond(to: signed(Self.created), body: Data(Self.created.utf8))
        #expect(response.status.code == 503)
        #expect(response.headerFields[.retryAfter] == "2")
        #expect(log.entries.contains { $0.level == (needsPerson ? .error : .warning) })
    }

    @Test("only POST is taken", arguments: [HTTPRequest.Method.get, .put, .head, .options])
    func methods(method: HTTPRequest.Method) async {
        #expect(await status(signed(Self.created, method: method), Self.created) == 405)
    }
}
