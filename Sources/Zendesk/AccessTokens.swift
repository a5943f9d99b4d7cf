import FoundationEssentials
import Synchronization

/// The access token in use: minted when it is needed, renewed before it expires, once for all who wait.
final class AccessTokens: Sendable {
    private let credentials: ZendeskCredentials
    private let transport: any ZendeskTransport
    private let time: TimeSource
    private let current = Mutex<Token?>(nil)
    /// The last failed token request, and until when it is not repeated: callers wait so long, or get its error.
    private let refusal = Mutex<(error: ZendeskError, until: Duration)?>(nil)
    private let gate = Gate()

    private struct Token {
        var text: String
        /// When it is renewed; nil for a token that was given to us.
        var renewAt: Duration?
    }

    /// What a token lasts where the answer does not say: the default of clients made after April 2026.
    private static let defaultLifetime = Duration.seconds(1800)
    private static let longestCall = Duration.seconds(10)
    /// How long a mint that failed is not repeated, where Zendesk does not say.
    private static let patience = Duration.seconds(2)

    init(_ credentials: ZendeskCredentials, _ transport: any ZendeskTransport, _ time: TimeSource) {
        self.credentials = credentials
        self.transport = transport
        self.time = time
        if case .accessToken(let token) = credentials { current.withLock { $0 = Token(text: token) } }
    }

    /// The token to use now.
    func token(before deadline: Deadline) async throws(ZendeskError) -> String {
        if let token = valid { return token }
        guard await gate.enter(before: deadline) else { throw ZendeskError(.timeIsUp, "no access token came in time") }
        defer { gate.leave() }
        // Somebody else may have minted it meanwhile.
        if let token = valid { return token }
        if let refusal = refusal.withLock({ $0 }), refusal.until > time.now() {
            let wait = refusal.until - time.now()
            // What a person has to mend is told to all who wait.
            guard wait < deadline.remaining, refusal.error.kind != .misconfigured else {
                throw ZendeskError(refusal.error.kind, status: refusal.error.status, retryAfter: wait, refusal.error.detail)
            }
            try await time.pause(wait)
        }
        do throws(ZendeskError) {
            let token = try await mint(before: deadline)
            current.withLock { $0 = token }
            return token.text
        } catch {
            let wait = error.retryAfter ?? Self.patience
            if error.kind != .cancelled { refusal.withLock { $0 = (error, time.now() + wait) } }
            throw error
        }
    }

    /// Zendesk did not accept this token.
    ///
    /// - Returns: whether another one can be had.
    func refuse(_ refused: String) -> Bool {
        guard case .client = credentials else { return false }
        current.withLock { if $0?.text == refused { $0 = nil } }
        return true
    }

    /// Zendesk did not accept a token that it had just given: another one would fare no better for a while.
    func refuse(_ fresh: String, _ error: ZendeskError) {
        current.withLock { if $0?.text == fresh, $0?.renewAt != nil { $0 = nil } }
        refusal.withLock { $0 = (error, time.now() + Self.patience) }
    }

    private var valid: String? {
        let now = time.now()
        return current.withLock { token in
            guard let token, token.renewAt.map({ now < $0 }) ?? true else { return nil }
            return token.text
        }
    }

    private struct Body: Encodable {
        var grant_type = "client_credentials"
        let client_id: String
        let client_secret: String
        var scope = "read write"
    }

    private struct Answer: Decodable {
        let access_token: String
        let expires_in: Int?
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
        var request = ZendeskRequest(.post, "/oauth/tokens", body: body)
        request.headers = [
            ("accept", "application/json"), ("content-type", "application/json"), ("user-agent", ZendeskClient.userAgent),
        ]
        let started = time.now()
        let response: ZendeskResponse
        do {
            response = try await transport.send(request, timeout: min(deadline.remaining, Self.longestCall))
        } catch {
            throw ZendeskError(error, to: ZendeskRequest(.get, request.target))
        }
        switch response.status {
        case 200..<300: break
        case 400, 401, 403:
            throw ZendeskError(
                .misconfigured,
                status: response.status,
                "Zendesk gives no access token (\(response.status)): check the OAuth client's id and secret"
            )
        default: throw ZendeskError(response, to: ZendeskRequest(.get, request.target))
        }
        guard let answer = try? JSONDecoder().decode(Answer.self, from: response.body), !answer.access_token.isEmpty else {
            throw ZendeskError.unreadable(response, to: ZendeskRequest(.get, request.target))
        }
        let lifetime = answer.expires_in.map { Duration.seconds($0) } ?? Self.defaultLifetime
        // A tenth of its life before the end, so that no call begins with a token that ends on the way.
        return Token(text: answer.access_token, renewAt: started + lifetime * 9 / 10)
    }
}
