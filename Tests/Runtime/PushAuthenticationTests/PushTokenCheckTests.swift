import FunctionRuntime
import AsyncHTTPClient
import FunctionHosting
import HTTPTypes
import JWTKit
import OutboundHTTP
import Testing

@testable import PushAuthentication

@Suite("Push tokens, with an issuer over HTTP")
struct PushTokenCheckTests {
    private static let settings = PushTokenSettings(
        audience: "https://function.example.com/",
        serviceAccount: "push@p.iam.gserviceaccount.com"
    )
    private static let claims = PushClaims(
        iss: PushClaims.issuer,
        aud: .init(values: ["https://function.example.com/"]),
        exp: 1_000_000,
        email: "push@p.iam.gserviceaccount.com",
        email_verified: true
    )

    @Test("a token of the subscription's service account is accepted, and the keys are fetched once")
    func letsIn() async throws {
        try await checking { check, issuer in
            for _ in 0..<3 { try await check(try await issuer.token(Self.claims)) }
            try await check(try await issuer.token(Self.claims), scheme: "bearer")
            #expect(issuer.fetches == 1)
        }
    }

    @Test(
        "a request without a usable token is refused",
        arguments: [nil, "", "Bearer", "Basic dTpw", "Bearer x", "Bearer a.b.c", "Bearer ..", "Bearer e30.e30.", "Bearer e30.e30.e30 more"]
    )
    func noToken(field: String?) async throws {
        try await checking { check, issuer in
            await #expect(throws: CallerRejection.self) { try await check.check(authorization: field) }
            #expect(issuer.fetches == 0)
        }
    }

    @Test("another algorithm is refused, even with a known key", arguments: ["none", "HS256", "RS512"])
    func algorithm(name: String) async throws {
        try await checking { check, issuer in
            let refusal = CallerRejection.unauthenticated("the token is not a JWT that is signed with RS256 by a named key")
            await #expect(throws: refusal) { try await check(try await issuer.token(Self.claims, algorithm: name)) }
            #expect(issuer.fetches == 0)
        }
    }

    @Test("a changed claim or a foreign signature is refused")
    func signature() async throws {
        try await checking { check, issuer in
            let good = try await issuer.token(Self.claims).split(separator: ".")
            var other = Self.claims
            other.email = "else@p.iam.gserviceaccount.com"
            let bad = try await issuer.token(other).split(separator: ".")
            for token in [[good[0], bad[1], good[2]], [good[0], good[1], bad[2]], [good[0], good[1], ""]] {
                await #expect(throws: CallerRejection.self) { try await check(token.joined(separator: ".")) }
            }
            // A key of somebody else's under an id that the issuer has.
            let forger = try Issuer()
            await #expect(throws: CallerRejection.unauthenticated("the token's signature is invalid, or its claims are malformed")) {
                try await check(try await forger.token(Self.claims))
            }
        }
    }

    @Test("a signature removed by Cloud Run is named, with advice")
    func removedSignature() async throws {
        try await checking { check, issuer in
            let parts = try await issuer.token(Self.claims).split(separator: ".")
            await #expect {
                try await check("\(parts[0]).\(parts[1]).SIGNATURE_REMOVED_BY_GOOGLE")
            } throws: { error in
                guard case .unauthenticated(let reason)? = error as? CallerRejection else { return false }
                return ["SIGNATURE_REMOVED_BY_GOOGLE", "leave PUSH_AUDIENCE and PUSH_SERVICE_ACCOUNT empty"].allSatisfy(reason.contains)
            }
            #expect(issuer.fetches == 0)
        }
    }

    @Test("a new key is fetched once for all waiting callers; a key that the issuer does not have is requested once a minute")
    func newKey() async throws {
        let clock = TestClock()
        try await checking(clock) { check, issuer in
            try await check(try await issuer.token(Self.claims))
            clock.advance(by: .seconds(61))
            let second = try await issuer.token(Self.claims, key: "second")
            await withTaskGroup(of: Void.self) { group in
                for _ in 0..<20 {
                    group.addTask { await #expect(throws: Never.self) { try await check(second) } }
                }
            }
            #expect(issuer.fetches == 2)
            let unknown = try await issuer.token(Self.claims, key: "second", as: "third")
            for _ in 0..<5 {
                await #expect(throws: CallerRejection.unauthenticated("the token is signed with a key that its issuer does not have")) {
                    try await check(unknown)
                }
            }
            #expect(issuer.fetches == 2)
            clock.advance(by: .seconds(61))
            await #expect(throws: CallerRejection.self) { try await check(unknown) }
            #expect(issuer.fetches == 3)
        }
    }

    @Test("the keys are kept for as long as Cache-Control says")
    func cacheControl() async throws {
        let clock = TestClock()
        try await checking(clock, cacheControl: "public, max-age=600, must-revalidate") { check, issuer in
            let token = try await issuer.token(Self.claims)
            try await check(token)
            clock.advance(by: .seconds(599))
            try await check(token)
            #expect(issuer.fetches == 1)
            clock.advance(by: .seconds(2))
            try await check(token)
            #expect(issuer.fetches == 2)
        }
    }

    @Test(
        "without the keys, every caller is rejected and told to retry",
        arguments: [(503, nil), (200, "no JSON"), (200, "{\"keys\":[]}"), (302, nil)] as [(Int, String?)]
    )
    func unavailable(status: Int, body: String?) async throws {
        let clock = TestClock()
        try await checking(clock) { check, issuer in
            let token = try await issuer.token(Self.claims)
            try await check(token)
            issuer.answer(status: status, body: body)
            clock.advance(by: .seconds(301))
            for _ in 0..<3 {
                await #expect {
                    try await check(token)
                } throws: { error in
                    if case .unavailable(let after?, _) = error as? CallerRejection { after <= .seconds(5) } else { false }
                }
            }
            #expect(issuer.fetches == 2)
            issuer.answer(status: 200, body: nil)
            clock.advance(by: .seconds(6))
            try await check(token)
        }
    }

    @Test("if nothing listens at PUSH_KEYS_URL, every caller is rejected")
    func nobodyListens() async throws {
        let issuer = try Issuer()
        var settings = Self.settings
        settings.keysURL = "http://127.0.0.1:1/"
        let token = try await issuer.token(Self.claims)
        try await HTTPClient.withHTTPClient { [settings] client in
            let check = PushTokenCheck(settings, client: client)
            await #expect {
                try await check(token)
            } throws: { error in
                if case .unavailable = error as? CallerRejection { true } else { false }
            }
        }
    }

    private func checking(
        _ clock: TestClock = TestClock(),
        cacheControl: String? = nil,
        _ body: @escaping @Sendable (PushTokenCheck, Issuer) async throws -> Void
    ) async throws {
        let issuer = try Issuer(cacheControl: cacheControl)
        try await issuer.serve { url in
            var settings = Self.settings
            settings.keysURL = url
            try await HTTPClient.withHTTPClient(configuration: .init(redirectConfiguration: .disallow)) { [settings] client in
                try await body(
                    PushTokenCheck(settings, time: clock.source) { HTTPTransport(client, origin: $0, time: clock.source) },
                    issuer
                )
            }
        }
    }
}

extension PushTokenCheck {
    fileprivate func check(authorization field: String?) async throws {
        var request = HTTPRequest(method: .post, scheme: nil, authority: nil, path: "/")
        request.headerFields[.authorization] = field
        try await check(request)
    }

    fileprivate func callAsFunction(_ token: String, scheme: String = "Bearer") async throws {
        try await check(authorization: "\(scheme) \(token)")
    }
}
