import Foundation
import Support
import Synchronization
import TestSupport
import Testing

@testable import TicketWebhook

@Suite("Publishing to a topic")
struct TopicPublisherTests {
    private let kept = OutboundResponse(status: 200, body: Data(#"{"messageIds":["1"]}"#.utf8))
    private let time = TimeSource(now: { .zero }, secondsSince1970: { 0 }, sleep: { _ in }, random: { 0 })

    private func publisher(_ transport: Answers, tokens: Answers? = nil) -> TopicPublisher {
        TopicPublisher(transport.transport, topic: "projects/p/topics/t", tokens: tokens.map { MetadataTokens($0.transport, time) })
    }

    /// Gives these answers one after the other.
    private final class Answers: Sendable {
        private let left: Mutex<[OutboundResponse]>
        private let seen = Mutex<[OutboundRequest]>([])

        init(_ answers: OutboundResponse...) { left = Mutex(answers) }

        var requests: [OutboundRequest] { seen.withLock(\.self) }
        var transport: ScriptedTransport {
            ScriptedTransport { request throws(OutboundError) in
                self.seen.withLock { $0.append(request) }
                return self.left.withLock { $0.removeFirst() }
            }
        }
    }

    private func token(_ text: String) -> OutboundResponse {
        OutboundResponse(status: 200, body: Data(#"{"access_token":"\#(text)","expires_in":3600}"#.utf8))
    }

    @Test("sends the attributes as Pub/Sub's REST interface takes them, with the instance's token")
    func request() async throws {
        let (transport, tokens) = (Answers(kept), Answers(token("t")))
        try await publisher(transport, tokens: tokens).publish(["ticket": "1"], Deadline(after: .seconds(5), time))
        let request = try #require(transport.requests.first)
        #expect(request.method == .post && request.target == "/v1/projects/p/topics/t:publish")
        #expect(request.body == Data(#"{"messages":[{"attributes":{"ticket":"1"}}]}"#.utf8))
        #expect(request.headers.contains { $0 == ("authorization", "Bearer t") })
    }

    @Test("a token that Pub/Sub refuses is replaced once")
    func refusedToken() async throws {
        let refusal = OutboundResponse(status: 401)
        let transport = Answers(refusal, kept)
        let tokens = Answers(token("old"), token("new"))
        try await publisher(transport, tokens: tokens).publish([:], Deadline(after: .seconds(5), time))
        #expect(transport.requests.map { $0.headers.last?.value } == ["Bearer old", "Bearer new"])
    }

    @Test(
        "whatever does not name the kept message is a failure",
        arguments: [
            (OutboundResponse(status: 200), false), (OutboundResponse(status: 200, body: Data(#"{"messageIds":[]}"#.utf8)), false),
            (OutboundResponse(status: 503), false), (OutboundResponse(status: 404), true), (OutboundResponse(status: 403), true),
            (OutboundResponse(status: 500, body: Data(#"{"messageIds":["1"]}"#.utf8)), false),
        ]
    )
    func failures(answer: OutboundResponse, needsPerson: Bool) async {
        let expected = GoogleAPI.Failure("Pub/Sub answers \(answer.status)", needsPerson: needsPerson)
        await #expect(throws: expected) { try await publisher(Answers(answer)).publish([:], Deadline(after: .seconds(5), time)) }
    }
}
