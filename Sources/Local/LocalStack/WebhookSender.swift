package import FoundationEssentials
import ServiceLifecycle
import Support
import Synchronization
package import ZendeskSimulator

/// Sends the simulated account's webhooks, signed, and repeats them as Zendesk does.
///
/// Source: Zendesk's developer documentation, "Verifying webhook authenticity" and "Webhook retries".
package final class WebhookSender: Service {
    /// Signs a timestamp and a body. The local tools are built without a cryptography library, so the
    /// caller decides how.
    package typealias Sign = @Sendable (_ secret: String, _ text: Data) -> Data

    private let sign: Sign
    private let onEnd: @Sendable (_ webhook: String, _ status: String, _ code: Int?) -> Void
    private let calls: AsyncStream<SimulatedZendesk.WebhookCall>
    private let input: AsyncStream<SimulatedZendesk.WebhookCall>.Continuation

    private static let timeout = Duration.seconds(12)

    /// - Parameter onEnd: called with how each call ended.
    package init(
        sign: @escaping Sign,
        onEnd: @escaping @Sendable (_ webhook: String, _ status: String, _ code: Int?) -> Void = { _, _, _ in }
    ) {
        self.sign = sign
        self.onEnd = onEnd
        (calls, input) = AsyncStream.makeStream()
    }

    package func take(_ call: SimulatedZendesk.WebhookCall) { input.yield(call) }

    package func run() async {
        await withDiscardingTaskGroup { group in
            for await call in calls.cancelOnGracefulShutdown() { group.addTask { await self.send(call) } }
            group.cancelAll()
        }
    }

    private func send(_ call: SimulatedZendesk.WebhookCall) async {
        let http = LoopbackHTTP(call.endpoint)
        var tries = 0
        while true {
            tries += 1
            let answer = try? await http.send(request(call), timeout: Self.timeout)
            if let wait = wait(after: answer, tries), (try? await Task.sleep(for: .seconds(wait))) != nil { continue }
            let status = answer.map { (200..<300).contains($0.status) ? "success" : "failed" }
            return onEnd(call.webhook, status ?? "timeout", answer?.status)
        }
    }

    /// How many seconds to wait before the call is repeated; nil if it is not. Zendesk does not say how
    /// long it waits itself.
    private func wait(after answer: OutboundResponse?, _ tries: Int) -> Int? {
        switch answer?.status {
        case nil: tries <= 5 ? 1 : nil
        case 409: tries <= 3 ? 1 : nil
        case 429, 503: answer?.headers["retry-after"].flatMap { Int($0) }.flatMap { $0 < 60 && tries <= 5 ? $0 : nil }
        default: nil
        }
    }

    private func request(_ call: SimulatedZendesk.WebhookCall) -> OutboundRequest {
        let timestamp = RFC3339(seconds: Int64(Date().timeIntervalSince1970)).description
        let headers = [
            ("content-type", "application/json; charset=utf-8"), ("x-zendesk-webhook-id", call.webhook),
            ("x-zendesk-webhook-signature", sign(call.secret, Data(timestamp.utf8) + call.body).base64EncodedString()),
            ("x-zendesk-webhook-signature-timestamp", timestamp),
        ]
        return OutboundRequest(.post, "", headers: headers.map { (name: $0, value: $1) }, body: call.body)
    }
}
