import FoundationEssentials
import Support

/// The current access token. Mints it on demand and renews it before it expires. Concurrent callers
/// share one request.
final class AccessTokens: Sendable {
    private let credentials: ZendeskCredentials
    private let transport: any OutboundTransport
    private let time: TimeSource
    private let fetch: SharedFetch<State>

    private struct State {
        var token: Token?
        /// The last failed token request, which is not repeated before `until`. Callers wait until
        /// then or fail with its error.
        var refusal: (error: ZendeskError, until: Duration)?
    }

    private struct Token {
        var text: String
        /// When to renew it; nil for a configured token.
        var renewAt: Duration?
    }

    /// Lifetime of a token if the answer does not state one: the default of clients created after
    /// April 2026.
    private static let defaultLifetime = Duration.seconds(1800)
    /// Bounds for the stated lifetime.
    private static let lifetimes = Duration.seconds(60)...Duration.seconds(86_400)
    private static let callTimeout = Duration.seconds(10)
    /// Pause after a failed mint if Zendesk does not state one.
    private static let patience = Duration.seconds(2)

    init(_ credentials: ZendeskCredentials, _ transport: any OutboundTransport, _ time: TimeSource) {
        self.credentials = credentials
        self.transport = transport
        self.time = time
        var state = State()
        if case .accessToken(let token) = credentials { state.token = Token(text: token) }
        fetch = SharedFetch(state)
    }

    /// Returns a valid token and mints one if necessary.
    func token(before deadline: Deadline) async throws(ZendeskError) -> String {
        try await fetch.value(before: deadline, late: ZendeskError(.timeIsUp, "no access token arrived in time")) {
            state throws(ZendeskError) in
            guard let token = state.token, token.renewAt.map({ time.now() < $0 }) ?? true else { return nil }
            return token.text
        } fetch: { () async throws(ZendeskError) in
            if let refusal = fetch.withState(\.refusal), refusal.until > time.now() {
                let wait = refusal.until - time.now()
                // An error that a person has to fix goes to all waiting callers immediately.
                guard wait < deadline.remaining, refusal.error.kind != .misconfigured else {
                    throw ZendeskError(refusal.error.kind, status: refusal.error.status, retryAfter: wait, refusal.error.detail)
                }
                try await time.pause(wait)
            }
            do throws(ZendeskError) {
                let token = try await mint(before: deadline)
                fetch.withState { $0.token = token }
                return token.text
            } catch {
                let wait = error.retryAfter ?? Self.patience
                if error.kind != .cancelled { fetch.withState { $0.refusal = (error, time.now() + wait) } }
                throw error
            }
        }
    }

    /// Records that Zendesk rejected this token.
    ///
    /// - Returns: whether another token can be minted.
    func refuse(_ refused: String) -> Bool {
        guard case .client = credentials else { return false }
        fetch.withState { if $0.token?.text == refused { $0.token = nil } }
        return true
    }

    /// Records that Zendesk rejected a token that it had just issued. Another token would fail too,
    /// so minting pauses.
    func refuse(_ fresh: String, _ error: ZendeskError) {
        fetch.withState { state in
            if state.token?.text == fresh, state.token?.renewAt != nil { state.token = nil }
            state.refusal = (error, time.now() + Self.patience)
        }
    }

    private struct Body: Encodable {
        var grant_type = "client_credentials"
        let client_id: String
        let client_secret: String
        var scope = Self.scopes

        static let scopes = "read write"
    }

    private struct Answer: Decodable {
        let access_token: String
        let expires_in: Double?

        private enum Key: CodingKey { case access_token, expires_in }

        init(from decoder: any Decoder) throws {
            let container = try decoder.container(keyedBy: Key.self)
            access_token = try container.decode(String.self, forKey: .access_token)
            // The lifetime is a hint. An unreadable one is ignored.
            expires_in = try? container.decode(Double.self, forKey: .expires_in)
        }
    }

    private func mint(before deadline: Deadline) async throws(ZendeskError) -> Token {
        guard case .client(let id, let secret) = credentials else {
            throw ZendeskError(.misconfigured, "Zendesk does not accept the access token: check it")
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        guard let body = try? encoder.encode(Body(client_id: id, client_secret: secret)) else {
            throw ZendeskError(.misconfigured, "the OAuth client's id or secret cannot be written as JSON")
        }
        var request = OutboundRequest(.post, "/oauth/tokens", body: body)
        request.headers = [
            ("accept", "application/json"), ("content-type", "application/json"), ("user-agent", ZendeskClient.userAgent),
        ]
        let started = time.now()
        let response: OutboundResponse
        do {
            response = try await transport.send(request, timeout: min(deadline.remaining, Self.callTimeout))
        } catch {
            throw ZendeskError(error, to: OutboundRequest(.get, request.target))
        }
        guard (200..<300).contains(response.status) else { throw ZendeskError(mint: response, scopes: Body.scopes) }
        guard let answer = try? JSONDecoder().decode(Answer.self, from: response.body), let token = accessToken(answer.access_token) else {
            throw ZendeskError.unreadable(response, to: OutboundRequest(.get, request.target))
        }
        let lifetime = usableTime(saidSeconds: answer.expires_in, default: Self.defaultLifetime, in: Self.lifetimes)
        // Renew after nine tenths of the lifetime, so that no call starts with a token that expires
        // on the way.
        return Token(text: token, renewAt: started + lifetime * 9 / 10)
    }
}
