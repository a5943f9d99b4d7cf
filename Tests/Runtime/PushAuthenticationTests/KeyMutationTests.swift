import FunctionRuntime
import FoundationEssentials
import FunctionHosting
import HTTPTypes
import Synchronization
import TestSupport
import Testing
import Support

@testable import PushAuthentication

@Suite("Damaged keys and tokens", .timeLimit(.minutes(10)))
struct KeyMutationTests {
    private static let settings = PushTokenSettings(audience: "a", serviceAccount: "e")
    /// Of a key that nobody has.
    private static let modulus = String(repeating: "q80_", count: 85) + "_w"
    private static let keys = [
        #"{"keys":[{"kid":"k","kty":"RSA","alg":"RS256","use":"sig","n":"\#(modulus)","e":"AQAB"}]}"#,
        #"{"keys":[{"kid":"k","kty":"EC","crv":"P-256"},{"kid":"k","kty":"RSA","n":"AQAB","e":""}]}"#, #"{"keys":[]}"#,
    ]
    private static let tokens = [
        "eyJhbGciOiJSUzI1NiIsImtpZCI6ImsifQ.eyJpc3MiOiJodHRwczovL2FjY291bnRzLmdvb2dsZS5jb20iLCJhdWQiOiJhIiwiZXhwIjoxZTQwMH0.AAAA",
        "eyJhbGciOiJSUzI1NiIsImtpZCI6ImsifQ..", "e30.e30.e30",
    ]

    @Test("rejects all callers without fetching the keys for each request")
    func damaged() async throws {
        for seed in 0..<Mutation.count {
            let mutation = Mutex(Mutation(seed: seed, Self.keys))
            var tokens = Mutation(seed: seed ^ 0xff, Self.tokens)
            let fetches = Mutex(0)
            let http = ScriptedTransport { _ in
                fetches.withLock { $0 += 1 }
                return mutation.withLock { mutation in
                    let age = mutation.pick([
                        "max-age=9223372036854775807", "max-age=-1", "max-age=1e400", "no-store", "", "max-age=\"0\"", "max-age=0",
                    ])
                    return OutboundResponse(
                        status: mutation.pick([200, 200, 200, 404, 503]),
                        headers: ["cache-control": age],
                        body: mutation.next()
                    )
                }
            }
            let check = PushTokenCheck(Self.settings, time: .system) { _ in http }
            for _ in 0..<5 {
                var request = HTTPRequest(method: .post, scheme: nil, authority: nil, path: "/")
                request.headerFields[.authorization] = "Bearer \(String(decoding: tokens.next(), as: UTF8.self))"
                await #expect(throws: CallerRejection.self, "seed \(seed)") { try await check.check(request) }
            }
            #expect(fetches.withLock { $0 } <= 2, "seed \(seed)")
        }
    }
}
