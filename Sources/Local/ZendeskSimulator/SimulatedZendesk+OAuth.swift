import FoundationEssentials

extension SimulatedZendesk {
    private struct Grant: Decodable {
        let grant_type: String
        let client_id: String?
        let client_secret: String?
        let expires_in: Double?
    }

    /// The client credentials grant.
    ///
    /// Source: Zendesk API reference, "OAuth tokens for grant types".
    mutating func mint(_ request: Request, now: Double) -> Response {
        guard request.method == "POST", let grant = try? JSONDecoder().decode(Grant.self, from: request.body),
            grant.grant_type == "client_credentials"
        else { return Response(400, ["error": "unsupported_grant_type", "error_description": "Unsupported grant type"]) }
        guard clients.contains(where: { $0.id == grant.client_id && $0.secret == grant.client_secret }) else {
            return Response(401, ["error": "invalid_client", "error_description": "Client authentication failed"])
        }
        let lifetime = grant.expires_in ?? tokenLifetime
        let token = "minted-\(mintedTokens.count + 1)"
        mintedTokens[token] = now + lifetime
        return Response(
            201,
            ["access_token": .string(token), "token_type": "bearer", "scope": "read write", "expires_in": .int(Int(lifetime))]
        )
    }

    func isAuthorized(_ request: Request, now: Double) -> Bool {
        if accessToken == nil, clients.isEmpty { return true }
        guard let authorization = request.authorization else { return false }
        if authorization.hasPrefix("Basic ") {
            // EMAIL/token:TOKEN, while Zendesk still accepts API tokens.
            let text = Data(base64Encoded: String(authorization.dropFirst(6))).map { String(decoding: $0, as: UTF8.self) } ?? ""
            return accessToken.map { text.hasSuffix("/token:\($0)") } ?? false
        }
        guard authorization.hasPrefix("Bearer ") else { return false }
        let token = String(authorization.dropFirst(7))
        return token == accessToken || mintedTokens[token].map { now < $0 } ?? false
    }

    /// Invalidates every minted token, as an administrator can.
    package mutating func revokeTokens() { mintedTokens = mintedTokens.mapValues { _ in -.infinity } }
}
