import FoundationEssentials
import Synchronization
import TestSupport
import Testing
import Support
import Zendesk
import ZendeskSimulator

@Suite("Access tokens and options")
struct ZendeskTokensTests {
    private let time = ManualTime()

    private func world(secret: String = "s", lifetime: Double = 1800) -> (SimulatorTransport, ZendeskClient) {
        let options = [TicketField.Option(name: "Booked", tag: "booked")]
        var account = SimulatedZendesk(fields: [TicketField(id: 2, title: "Status", options: options), TicketField(id: 3, title: "Text")])
        account.clients = [.init(id: "c", secret: "s")]
        account.tokenLifetime = lifetime
        account.put(SimulatedTicket(id: 1, subject: "", createdAt: time.start - 100), now: time.start - 100)
        let transport = SimulatorTransport(account, time.source)
        return (transport, ZendeskClient(transport: transport, credentials: .client(id: "c", secret: secret), time: time.source))
    }

    private var deadline: Deadline { Deadline(after: .seconds(20), time.source) }

    private func mints(_ transport: SimulatorTransport) -> Int { transport.requests.count { $0.target == "/oauth/tokens" } }

    @Test("a token is minted once and used until shortly before it expires")
    func renewed() async throws {
        let (transport, client) = world()
        for _ in 0..<3 { _ = try await client.ticket(1, .before(deadline)) }
        #expect(mints(transport) == 1)
        time.advance(.seconds(1619))
        _ = try await client.ticket(1, .before(deadline))
        #expect(mints(transport) == 1)
        time.advance(.seconds(2))
        _ = try await client.ticket(1, .before(deadline))
        #expect(mints(transport) == 2)
        #expect(transport.requests.count == 7)
    }

    @Test("a rejected token is replaced once")
    func revoked() async throws {
        let (transport, client) = world()
        _ = try await client.ticket(1, .before(deadline))
        transport.withAccount { account, _ in account.revokeTokens() }
        _ = try await client.ticket(1, .before(deadline))
        #expect(mints(transport) == 2)
        transport.before { request, _ in request.method == .get ? OutboundResponse(status: 401) : nil }
        await #expect { try await client.ticket(1, .before(deadline)) } throws: { ($0 as? ZendeskError)?.kind == .misconfigured }
        #expect(mints(transport) == 3)
    }

    @Test(
        "whatever lifetime an answer gives a token, it is neither minted for each call nor kept forever",
        arguments: ["0", "-1", "-9223372036854775808", "1e400", "9223372036854775807", "1e18", "\"soon\"", "null", "[]", "0.5"]
    )
    func absurdLifetime(expiresIn: String) async throws {
        let (transport, client) = world()
        transport.before { request, _ in
            guard request.target == "/oauth/tokens" else { return OutboundResponse(status: 200, body: Data(#"{"ticket":{"id":1}}"#.utf8)) }
            return OutboundResponse(status: 200, body: Data(#"{"access_token":"t","expires_in":\#(expiresIn)}"#.utf8))
        }
        for _ in 0..<3 { _ = try? await client.ticket(1, .before(deadline)) }
        #expect(mints(transport) == 1)
        time.advance(.seconds(86_400))
        _ = try? await client.ticket(1, .before(deadline))
        #expect(mints(transport) == 2)
    }

    @Test("an invalid token is not used and not quoted in the error", arguments: ["", "a b", "a\\nb", "a\\r\\nx-header: 1", "é"])
    func noToken(token: String) async throws {
        let (transport, client) = world()
        transport.before { request, _ in
            request.target == "/oauth/tokens" ? OutboundResponse(status: 200, body: Data(#"{"access_token":"\#(token)"}"#.utf8)) : nil
        }
        let error = await #expect(throws: ZendeskError.self) { try await client.ticket(1, .before(deadline)) }
        #expect(error.map { "\($0)" }?.contains("x-header") == false)
        #expect(transport.requests.allSatisfy { $0.target == "/oauth/tokens" })
    }

    @Test(
        "an error that quotes the mint request is not passed on",
        arguments: [
            #"{"error":"invalid_request: client_secret=tale"}"#, #"{"error":{"title":"client_secret tale is wrong"}}"#,
            #"{"error":"invalid","details":{"client_secret=tale":[]}}"#, #"{"error":"tale0123456789abcdef0123456789abcdef"}"#,
        ],
        [400, 409, 422, 500]
    )
    func quotes(body: String, status: Int) async throws {
        let (transport, client) = world()
        transport.before { _, _ in OutboundResponse(status: status, body: Data(body.utf8)) }
        let soon = Deadline(after: .seconds(1), time.source)
        let error = await #expect(throws: ZendeskError.self) { try await client.ticket(1, .before(soon)) }
        #expect(error.map { "\($0)" }?.contains("tale") == false)
    }

    @Test("a wrong secret is reported as such and not quoted in the error")
    func wrongSecret() async throws {
        let (_, client) = world(secret: "wrong-secret")
        do throws(ZendeskError) {
            _ = try await client.ticket(1, .before(deadline))
            Issue.record("no error")
        } catch {
            #expect(error.kind == .misconfigured)
            #expect(error.description.contains("check the OAuth client's id and secret"))
            #expect(!error.description.contains("wrong-secret"))
        }
    }

    @Test("a rate-limited mint is not repeated by any call before its Retry-After", arguments: [429, 503])
    func limitedMint(status: Int) async throws {
        let (transport, client) = world()
        transport.before { request, _ in
            request.target == "/oauth/tokens" ? OutboundResponse(status: status, headers: ["retry-after": "60"]) : nil
        }
        for _ in 0..<20 {
            do throws(ZendeskError) {
                _ = try await client.ticket(1, .before(Deadline(after: .seconds(30), time.source)))
                Issue.record("no error")
            } catch {
                #expect((error.retryAfter ?? .zero) > .seconds(30))
            }
        }
        #expect(mints(transport) == 1)
        transport.before { _, _ in nil }
        time.advance(.seconds(61))
        _ = try await client.ticket(1, .before(deadline))
        #expect(mints(transport) == 2)
    }

    @Test("a read that gets 429 is not repeated at full speed, whatever limit the answer names")
    func limitedRead() async throws {
        let (transport, client) = world()
        let headers = ["retry-after": "5", "zendesk-ratelimit-per-ticket-updates": "total=30; remaining=0; resets=5"]
        transport.before { request, _ in request.method == .get ? OutboundResponse(status: 429, headers: headers) : nil }
        await #expect(throws: ZendeskError.self) { try await client.ticket(1, .before(deadline)) }
        #expect(transport.requests.count < 8)
    }

    @Test("a field's options are read once a minute, and again for a missing tag, but not at once")
    func options() async throws {
        let (transport, client) = world()
        func reads() -> Int { transport.requests.count { $0.target.contains("ticket_fields") } }
        for _ in 0..<3 { #expect(try await client.field(2, accepts: "booked", .before(deadline))) }
        #expect(reads() == 1)
        #expect(try await !client.field(2, accepts: "vip", .before(deadline)))
        #expect(reads() == 1)
        transport.withAccount { account, _ in account.fields[0].options?.append(.init(name: "VIP", tag: "vip")) }
        time.advance(.seconds(31))
        #expect(try await client.field(2, accepts: "vip", .before(deadline)))
        #expect(reads() == 2)
        time.advance(.seconds(61))
        #expect(try await client.field(2, accepts: "vip", .before(deadline)))
        #expect(reads() == 3)
        #expect(try await client.field(3, accepts: "anything", .before(deadline)))
    }

    @Test("options read within the last second are kept if that is fresh enough")
    func forgottenOptions() async throws {
        let (transport, client) = world()
        func reads() async throws -> Int {
            _ = try await client.field(2, accepts: "booked", .before(deadline))
            return transport.requests.count { $0.target.contains("ticket_fields") }
        }
        #expect(try await reads() == 1)
        time.advance(.milliseconds(999))
        client.forgetOptions(of: 2, olderThan: .seconds(1))
        #expect(try await reads() == 1)
        time.advance(.milliseconds(1))
        client.forgetOptions(of: 2, olderThan: .seconds(1))
        #expect(try await reads() == 2)
        client.forgetOptions(of: 2)
        #expect(try await reads() == 3)
    }

    @Test("a call that cannot begin before its deadline is refused at once, with the time to wait")
    func budget() async throws {
        let (transport, _) = world()
        let client = ZendeskClient(
            transport: transport,
            credentials: .client(id: "c", secret: "s"),
            readsPerMinute: 2,
            writesPerMinute: 1,
            time: time.source
        )
        _ = try await client.ticket(1, .before(deadline))
        let before = time.secondsSince1970
        do throws(ZendeskError) {
            _ = try await client.ticket(1, .before(deadline))
            Issue.record("no error")
        } catch {
            #expect(error.kind == .limited(.account))
            #expect(error.retryAfter == .seconds(60))
        }
        #expect(time.secondsSince1970 == before)
        // With more time it waits, and is done.
        _ = try await client.ticket(1, .before(Deadline(after: .seconds(90), time.source)))
        #expect(time.secondsSince1970 == before + 60)
        #expect(client.usage.freeWrites == 1)
        _ = try await client.update(1, TicketUpdate(customFields: [3: "x"], updatedStamp: "2026-11-23T20:13:31Z"), .before(deadline))
        #expect(client.usage.freeWrites == 0)
    }
}
