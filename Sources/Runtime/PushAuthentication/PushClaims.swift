import FunctionRuntime
import JWTKit

/// The claims of a push token.
///
/// Source: Pub/Sub's documentation, "Authentication for push subscriptions", "JWT format".
struct PushClaims: JWTPayload, Equatable {
    var iss: String?
    var aud: Audience?
    /// Seconds since 1970.
    var exp: Double?
    /// Seconds since 1970; Google sets none.
    var nbf: Double?
    var email: String?
    var email_verified: Bool?

    /// One audience or several. Source: RFC 7519, section 4.1.3.
    struct Audience: Codable, Equatable, Sendable {
        var values: [String]

        init(values: [String]) { self.values = values }

        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            values = try (try? container.decode(String.self)).map { [$0] } ?? container.decode([String].self)
        }

        func encode(to encoder: any Encoder) throws {
            var container = encoder.singleValueContainer()
            try container.encode(values)
        }
    }

    /// Called by JWTKit after it has verified the signature. ``rejection(_:secondsSince1970:)``
    /// checks the claims.
    func verify(using algorithm: some JWTAlgorithm) {}
}

extension PushClaims {
    static let issuer = "https://accounts.google.com"
    /// The tolerated difference between the issuer's clock and ours, in seconds.
    static let leeway: Double = 30

    /// Why the caller is rejected; nil if it is admitted.
    ///
    /// - Parameter secondsSince1970: the time of the check.
    func rejection(_ settings: PushTokenSettings, secondsSince1970 now: Double) -> CallerRejection? {
        guard iss == Self.issuer else { return .unauthenticated("the token's issuer is not \(Self.issuer)") }
        guard let exp, now < exp + Self.leeway else { return .unauthenticated("the token has expired") }
        if let nbf, now < nbf - Self.leeway { return .unauthenticated("the token is not valid yet") }
        guard aud?.values.contains(settings.audience) == true else {
            return .unauthenticated("the token's audience is not the one in PUSH_AUDIENCE")
        }
        guard email_verified == true, email == settings.serviceAccount else {
            return .forbidden("the token's email is not PUSH_SERVICE_ACCOUNT, or is not verified")
        }
        return nil
    }
}
