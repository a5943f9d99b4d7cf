import FoundationEssentials

/// Access tokens of the service account that the instance runs as.
///
/// Source: Google Cloud's documentation, "About VM metadata", "Access tokens".
package final class MetadataTokens: Sendable {
    private let http: any OutboundTransport
    private let time: TimeSource
    private let current = SharedFetch<Token?>(nil)

    private struct Token {
        var text: String
        var until: Duration
    }

    /// The bounds for how long a token is used. The metadata server renews a token in its last
    /// minutes.
    private static let usableTimes = Duration.seconds(10)...Duration.seconds(86_400)

    /// - Parameter http: the transport to the metadata server.
    package init(_ http: any OutboundTransport, _ time: TimeSource) {
        self.http = http
        self.time = time
    }

    private struct Answer: Decodable { let access_token: String, expires_in: Double }

    package func token(_ deadline: Deadline) async throws(GoogleAPI.Failure) -> String {
        let late = GoogleAPI.Failure("no access token arrived from the metadata server in time")
        return try await current.value(before: deadline, late: late) { token throws(GoogleAPI.Failure) in
            token.flatMap { time.now() < $0.until ? $0.text : nil }
        } fetch: { () async throws(GoogleAPI.Failure) in
            let now = time.now()
            let path = "/computeMetadata/v1/instance/service-accounts/default/token"
            let request = OutboundRequest(.get, path, headers: [("metadata-flavor", "Google")])
            let response: OutboundResponse
            do throws(OutboundError) {
                response = try await http.send(request, timeout: min(deadline.remaining, .seconds(10)))
            } catch {
                throw GoogleAPI.Failure("no answer from the metadata server: \(error)")
            }
            guard response.status == 200, let answer = try? JSONDecoder().decode(Answer.self, from: response.body),
                let text = accessToken(answer.access_token)
            else { throw GoogleAPI.Failure("the metadata server gives no access token (\(response.status))", needsPerson: true) }
            let time = usableTime(saidSeconds: answer.expires_in - 60, default: .zero, in: Self.usableTimes)
            current.withState { $0 = Token(text: text, until: now + time) }
            return text
        }
    }

    package func refuse(_ token: String) { current.withState { if $0?.text == token { $0 = nil } } }
}
