/// Which push tokens are accepted.
public struct PushTokenSettings: Equatable, Sendable {
    /// The token's `aud`: the audience that the subscription is configured with, or else the push
    /// endpoint's URL.
    public var audience: String
    /// The email address of the subscription's service account. Without it, every Google service
    /// account would be admitted.
    public var serviceAccount: String
    /// The URL of the issuer's keys, a JWKS.
    public var keysURL: String

    /// Source: Google's OpenID Connect discovery document, `jwks_uri`.
    public static let googleKeysURL = "https://www.googleapis.com/oauth2/v3/certs"

    public init(audience: String, serviceAccount: String, keysURL: String = googleKeysURL) {
        self.audience = audience
        self.serviceAccount = serviceAccount
        self.keysURL = keysURL
    }
}
