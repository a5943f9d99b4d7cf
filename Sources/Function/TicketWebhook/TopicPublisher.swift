import FoundationEssentials
package import Support

/// Publishes messages to a topic over Pub/Sub's REST interface.
///
/// Source: Cloud Pub/Sub's REST reference, `projects.topics.publish`.
package struct TopicPublisher: Sendable {
    private let api: GoogleAPI
    private let target: String

    private struct Messages: Encodable {
        struct Message: Encodable { let attributes: [String: String] }
        let messages: [Message]
    }

    private struct Answer: Decodable { let messageIds: [String] }

    /// - Parameter topic: `projects/P/topics/T`
    package init(_ http: any OutboundTransport, topic: String, tokens: MetadataTokens?) {
        api = GoogleAPI(http, name: "Pub/Sub", tokens: tokens)
        target = "/v1/\(topic):publish"
    }

    /// Publishes a message without data. Returns once Pub/Sub has it.
    package func publish(_ attributes: [String: String], _ deadline: Deadline) async throws(GoogleAPI.Failure) {
        let messages = Messages(messages: [.init(attributes: attributes)])
        let answer = try await api.post(target, messages, maximumAnswerBytes: 64 << 10, deadline)
        let isKept = (try? JSONDecoder().decode(Answer.self, from: answer.body))?.messageIds.isEmpty == false
        guard answer.status == 200, isKept else {
            throw GoogleAPI.Failure("Pub/Sub answers \(answer.status)", needsPerson: [400, 401, 403, 404].contains(answer.status))
        }
    }
}
