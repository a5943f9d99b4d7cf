package import FunctionRuntime

/// The push tokens that the service accepts. Only the deployed executable links the verifier,
/// because its cryptography library takes minutes to build.
package struct PushTokens: Equatable, Sendable {
    package typealias Verifier = @Sendable (PushTokens) -> any CallerCheck

    /// The token's `aud`.
    package var audience: String
    /// The email address of the subscription's service account.
    package var serviceAccount: String
    /// Where the issuer publishes its keys, a JWKS.
    package var keysURL: String

    /// Source: Google's OpenID Connect discovery document, `jwks_uri`.
    static let googleKeysURL = "https://www.googleapis.com/oauth2/v3/certs"

    package init(audience: String, serviceAccount: String, keysURL: String) {
        self.audience = audience
        self.serviceAccount = serviceAccount
        self.keysURL = keysURL
    }
}
