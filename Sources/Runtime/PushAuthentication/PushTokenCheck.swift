public import AsyncHTTPClient
import FoundationEssentials
public import FunctionRuntime
public import HTTPTypes
import JWTKit
import OutboundHTTP
import Support

/// Admits callers with the token that Pub/Sub adds to the pushes of one subscription.
///
/// The token is a JWT in `Authorization: Bearer`, signed by Google with RS256. On Cloud Run the
/// platform can check it in front of the container (require authentication). Elsewhere nothing else
/// checks it.
///
/// | what is wrong | rejection |
/// |---|---|
/// | no token, wrong algorithm, key, signature, issuer or audience, expired | `CallerRejection/unauthenticated(_:)` |
/// | email that is not the service account's, or not verified | `CallerRejection/forbidden(_:)` |
/// | the keys cannot be fetched | `CallerRejection/unavailable(after:_:)` |
///
/// Sources: Pub/Sub's documentation, "Authentication for push subscriptions"; Cloud Run's,
/// "Troubleshoot Cloud Run issues", on removed signatures.
public struct PushTokenCheck: CallerCheck {
    private let settings: PushTokenSettings
    private let keys: PushKeys
    private let time: TimeSource

    /// Admits the pushes of one subscription.
    ///
    /// - Parameters:
    ///   - audience: the token's `aud`: the audience that the subscription is configured with, or
    ///     else the push endpoint's URL.
    ///   - serviceAccount: the email address of the subscription's service account.
    public init(audience: String, serviceAccount: String) {
        self.init(PushTokenSettings(audience: audience, serviceAccount: serviceAccount), client: Self.ownClient)
    }

    /// Lives as long as the process.
    private static let ownClient = HTTPClient(eventLoopGroup: HTTPClient.defaultEventLoopGroup, configuration: HTTPTransport.configuration)

    /// - Parameters:
    ///   - settings: which tokens are accepted.
    ///   - client: fetches the keys; it should follow no redirects.
    public init(_ settings: PushTokenSettings, client: HTTPClient) {
        self.init(settings, time: .system) { HTTPTransport(client, origin: $0) }
    }

    /// - Parameter connect: makes the transport to an origin, such as `https://www.googleapis.com`.
    init(_ settings: PushTokenSettings, time: TimeSource, connect: (_ origin: String) -> any OutboundTransport) {
        self.settings = settings
        self.time = time
        let authority = settings.keysURL.firstRange(of: "://")?.upperBound ?? settings.keysURL.startIndex
        let path = settings.keysURL[authority...].firstIndex(of: "/") ?? settings.keysURL.endIndex
        keys = PushKeys(path: String(settings.keysURL[path...]), connect(String(settings.keysURL[..<path])), time: time)
    }

    public func check(_ request: HTTPRequest) async throws(CallerRejection) {
        guard let token = bearerToken(request.headerFields) else {
            throw .unauthenticated("there is no token (Authorization: Bearer …)")
        }
        guard let header = TokenHeader(token), header.alg == "RS256", let id = header.kid else {
            throw .unauthenticated("the token is not a JWT that is signed with RS256 by a named key")
        }
        if token.hasSuffix(".SIGNATURE_REMOVED_BY_GOOGLE") {
            throw .unauthenticated(
                "Cloud Run has removed the token's signature "
                    + "(SIGNATURE_REMOVED_BY_GOOGLE), as it does with tokens that gcloud makes for people; "
                    + "if Pub/Sub's own pushes arrive like this, only the platform can check them: leave PUSH_AUDIENCE and "
                    + "PUSH_SERVICE_ACCOUNT empty"
            )
        }
        let keys = try await keys.keys(with: id)
        guard let claims = try? await keys.verify(token, as: PushClaims.self) else {
            throw .unauthenticated("the token's signature is invalid, or its claims are malformed")
        }
        if let rejection = claims.rejection(settings, secondsSince1970: time.secondsSince1970()) { throw rejection }
    }

    private func bearerToken(_ headers: HTTPFields) -> String? {
        guard let field = headers[.authorization] else { return nil }
        let parts = field.split(separator: " ")
        guard parts.count == 2, parts[0].lowercased() == "bearer" else { return nil }
        return String(parts[1])
    }
}

/// The header of a JWT, which is read before the signature is verified.
///
/// Source: RFC 7515, sections 4.1 and 7.1.
private struct TokenHeader: Decodable {
    let alg: String
    let kid: String?

    init?(_ token: String) {
        let parts = token.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3, parts.allSatisfy({ !$0.isEmpty }) else { return nil }
        var base64 = parts[0].replacing("-", with: "+").replacing("_", with: "/")
        base64 += String(repeating: "=", count: (4 - base64.utf8.count % 4) % 4)
        guard let json = Data(base64Encoded: String(base64)), let header = try? JSONDecoder().decode(TokenHeader.self, from: json) else {
            return nil
        }
        self = header
    }
}
