/// Which push tokens are taken.
public struct PushTokenSettings: Equatable, Sendable {
    /// What the subscription puts into `aud`: the audience it is configured with, or else the push
    /// endpoint's URL.
    public var audience: String
    /// The e-mail address of the subscription's service account. Without it every service account
    /// of Google's would be let in.
    public var serviceAccount: String
    /// Where the keys of the tokens' issuer are, a JWKS.
    public var keysURL: String

    /// Source: Google's OpenID Connect discovery document, `jwks_uri`.
    public static let googleKeysURL = "https://www.googleapis.com/oauth2/v3/certs"

    public init(audience: String, serviceAccount: String, keysURL: String = googleKeysURL) {
        self.audience = audience
        self.serviceAccount = serviceAccount
        self.keysURL = keysURL
    }
}
