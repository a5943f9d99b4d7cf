import FoundationEssentials

/// One of Google's REST interfaces, called as the service account that the instance runs as.
package struct GoogleAPI: Sendable {
    private let http: any OutboundTransport
    private let name: String
    private let tokens: MetadataTokens?

    /// Why there is no answer, or not the one that is needed.
    package struct Failure: Error, Equatable, CustomStringConvertible {
        /// For people. It contains no secret.
        package var description: String
        /// Whether a person has to fix something first.
        package var needsPerson: Bool

        package init(_ description: String, needsPerson: Bool = false) {
            self.description = description
            self.needsPerson = needsPerson
        }
    }

    /// Maximum time of a call.
    private static let timeout = Duration.seconds(10)

    /// - Parameters:
    ///   - name: the service, for errors.
    ///   - tokens: nil for an emulator.
    package init(_ http: any OutboundTransport, name: String, tokens: MetadataTokens?) {
        self.http = http
        self.name = name
        self.tokens = tokens
    }

    /// Posts JSON. Retries once with another token if the first one is rejected.
    ///
    /// - Parameter maximumAnswerBytes: by default more than a hundred bookings take.
    /// - Returns: the answer, whatever its status.
    package func post(
        _ target: String,
        _ body: some Encodable,
        maximumAnswerBytes: Int = 8 << 20,
        _ deadline: Deadline
    ) async throws(Failure) -> OutboundResponse {
        guard let json = try? JSONEncoder().encode(body) else {
            throw Failure("a request to \(name) cannot be written as JSON")
        }
        var isSecondTry = false
        while true {
            var request = OutboundRequest(.post, target, headers: [("content-type", "application/json")], body: json)
            request.maximumAnswerBytes = maximumAnswerBytes
            let token = try await tokens?.token(deadline)
            if let token { request.headers.append(("authorization", "Bearer \(token)")) }
            let answer: OutboundResponse
            do throws(OutboundError) {
                answer = try await http.send(request, timeout: min(deadline.remaining, Self.timeout))
            } catch {
                throw Failure("no answer from \(name): \(error)")
            }
            guard answer.status == 401, let token, !isSecondTry else { return answer }
            tokens?.refuse(token)
            isSecondTry = true
        }
    }
}
