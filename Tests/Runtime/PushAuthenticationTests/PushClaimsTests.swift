import FunctionRuntime
import FunctionHosting
import Testing

@testable import PushAuthentication

@Suite("A push token's claims")
struct PushClaimsTests {
    private static let settings = PushTokenSettings(audience: "a", serviceAccount: "push@p.iam.gserviceaccount.com")

    struct Case: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let change: @Sendable (inout PushClaims) -> Void
        let expected: Int?

        init(_ testDescription: String, _ expected: Int?, _ change: @escaping @Sendable (inout PushClaims) -> Void) {
            self.testDescription = testDescription
            self.expected = expected
            self.change = change
        }
    }

    @Test(
        "each claim is checked",
        arguments: [
            Case("as it should be", nil) { _ in },
            Case("one of several audiences", nil) { $0.aud = .init(values: ["b", "a"]) },
            Case("expired within the leeway", nil) { $0.exp = 971 },
            Case("another issuer", 401) { $0.iss = "https://accounts.example.com" },
            Case("no issuer", 401) { $0.iss = nil },
            Case("expired", 401) { $0.exp = 970 },
            Case("never expiring", 401) { $0.exp = nil },
            Case("not valid yet", 401) { $0.nbf = 1031 },
            Case("another audience", 401) { $0.aud = .init(values: ["b"]) },
            Case("no audience", 401) { $0.aud = nil },
            Case("an empty list of audiences", 401) { $0.aud = .init(values: []) },
            Case("another service account", 403) { $0.email = "else@p.iam.gserviceaccount.com" },
            Case("no e-mail", 403) { $0.email = nil },
            Case("an e-mail that is not verified", 403) { $0.email_verified = false },
            Case("an e-mail of which nobody says whether it is verified", 403) { $0.email_verified = nil },
        ]
    )
    func claims(example: Case) {
        var claims = PushClaims(
            iss: "https://accounts.google.com",
            aud: .init(values: ["a"]),
            exp: 4000,
            email: "push@p.iam.gserviceaccount.com",
            email_verified: true
        )
        example.change(&claims)
        let status: Int? =
            switch claims.rejection(Self.settings, secondsSince1970: 1000) {
            case nil: nil
            case .unauthenticated: 401
            case .forbidden: 403
            case .unavailable: 503
            }
        #expect(status == example.expected)
    }

    @Test(
        "max-age is read from Cache-Control",
        arguments: [
            ("public, max-age=21027, must-revalidate, no-transform", .seconds(21_027)), ("Max-Age = 5", .seconds(5)),
            ("no-store", .zero), ("max-age=-1", nil), ("max-age=x", nil), ("", nil),
        ] as [(String, Duration?)]
    )
    func maximumAge(field: String, age: Duration?) {
        #expect(PushKeys.maximumAge(field) == age)
    }
}
