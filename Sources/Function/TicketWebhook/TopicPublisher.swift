import FoundationEssentials
package import Support

/// Publishes messages to a topic over Pub/Sub's REST interface.
///
/// Source: Cloud Pub/Sub's REST reference, `projects.topics.publish`.
package struct TopicPublisher: Sendable {
    private let http: any OutboundTransport
    private let target: String
    private let tokens: MetadataTokens?

    private struct Messages: Encodable {
        struct Message: Encodable { let attributes: [String: String] }
        let messages: [Message]
    }

    private struct Answer: Decodable { let messageIds: [String] }

    /// - Parameters:
    ///   - topic: `projects/P/topics/T`
    ///   - tokens: nil for an emulator.
    package init(_ http: any OutboundTransport, topic: String, tokens: MetadataTokens?) {
        self.http = http
        target = "/v1/\(topic):publish"
        self.tokens = tokens
    }

    /// Publishes a message without data. Returns once Pub/Sub has it.
    package func publish(_ attributes: [String: String], _ deadline: Deadline) async throws(PublishFailure) {
        guard let body = try? JSONEncoder().encode(Messages(messages: [.init(attributes: attributes)])) else {
            throw PublishFailure("the message cannot be written as JSON")
        }
        for isSecondTry in [false, true] {
            var request = OutboundRequest(.post, target, headers: [("content-type", "application/json")], body: body)
            request.maximumAnswerBytes = 64 << 10
            let token = try await token(deadline)
            if let token { request.headers.append(("authorization", "Bearer \(token)")) }
            let response: OutboundResponse
            do throws(OutboundError) {
                response = try await http.send(request, timeout: deadline.remaining)
            } catch {
                throw PublishFailure("no answer from Pub/Sub: \(error)")
            }
            if response.status == 401, let token, !isSecondTry {
                tokens?.refuse(token)
                continue
            }
            let isKept = (try? JSONDecoder().decode(Answer.self, from: response.body))?.messageIds.isEmpty == false
            guard response.status == 200, isKept else {
                throw PublishFailure("Pub/Sub answers \(response.status)", needsPerson: [400, 401, 403, 404].contains(response.status))
            }
            return
        }
    }

    private func token(_ deadline: Deadline) async throws(PublishFailure) -> String? {
        do throws(MetadataTokens.Failure) {
            return try await tokens?.token(deadline)
        } catch {
            throw PublishFailure(error.description, needsPerson: error.needsPerson)
        }
    }
}
