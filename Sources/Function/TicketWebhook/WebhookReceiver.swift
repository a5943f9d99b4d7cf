package import FoundationEssentials
package import FunctionRuntime
package import HTTPTypes
import Logging
package import Support

/// Receives Zendesk's webhooks, and publishes a message for each new ticket. It reads nothing from
/// Zendesk and holds no credentials for it.
///
/// Zendesk repeats a request that is answered 409, or 429 or 503 with a `Retry-After` below a minute,
/// or not within twelve seconds, and nothing else. It pauses a webhook of whose requests 70 % fail, or
/// a thousand within five minutes. So whatever may succeed later is answered 503.
///
/// Sources: Zendesk's developer documentation, "Verifying webhook authenticity", "Webhook retries" and
/// "Ticket events".
package struct WebhookReceiver: HTTPFunction {
    private let isAuthentic: IsAuthentic
    private let bookingIDField: String?
    private let publish: Publish
    private let time: TimeSource

    /// Whether a signature belongs to a signed text, compared in constant time.
    package typealias IsAuthentic = @Sendable (_ signature: Data, _ text: Data) -> Bool
    /// Publishes a message with these attributes, and returns once it is kept.
    package typealias Publish = @Sendable (_ attributes: [String: String], Deadline) async throws(GoogleAPI.Failure) -> Void

    /// Maximum length of a webhook, in bytes.
    package static let maximumBytes = 256 << 10
    /// Maximum difference between a webhook's time and now, in seconds. Repetitions are harmless, and
    /// Zendesk may send one later.
    private static let maximumAge = 3600.0
    /// Maximum time of publishing. What is left of Zendesk's twelve seconds is for the answer.
    private static let timeToPublish = Duration.seconds(6)

    private static let signature = HTTPField.Name("x-zendesk-webhook-signature")!
    private static let timestamp = HTTPField.Name("x-zendesk-webhook-signature-timestamp")!

    /// - Parameter bookingIDField: the ticket field of the booking's ID, if a change of it also counts;
    ///   nil if only new tickets count.
    package init(
        isAuthentic: @escaping IsAuthentic,
        bookingIDField: Int? = nil,
        publish: @escaping Publish,
        time: TimeSource = .system
    ) {
        self.isAuthentic = isAuthentic
        self.bookingIDField = bookingIDField.map(String.init)
        self.publish = publish
        self.time = time
    }

    package func respond(to request: HTTPRequest, body: Data, context: FunctionContext) async throws -> FunctionResponse {
        guard request.method == .post else { return FunctionResponse(status: .methodNotAllowed, headerFields: [.allow: "POST"]) }
        if let reason = refusal(of: request, body) {
            context.logger.notice("webhook", metadata: ["outcome": "refused", "reason": "\(reason)"])
            return FunctionResponse(status: .unauthorized)
        }
        let event: TicketEvent
        do throws(JSONFault) {
            event = try TicketEvent(body)
        } catch {
            throw FunctionFailure.unprocessable("not a webhook's event: \(error.reason)")
        }
        var metadata: Logger.Metadata = ["event": "\(event.type.forLog)", "ticket": "\(event.ticket.map(String.init) ?? "none")"]
        guard event.isNewTicket || (bookingIDField != nil && event.changedField == bookingIDField) else {
            metadata["outcome"] = "ignored"
            context.logger.debug("webhook", metadata: metadata)
            return FunctionResponse(status: .noContent)
        }
        guard let ticket = event.ticket else { throw FunctionFailure.unprocessable("detail.id is not the id of a ticket") }
        do throws(GoogleAPI.Failure) {
            let deadline = Deadline(after: min(Self.timeToPublish, context.timeRemaining), time)
            try await publish(["task": "ticket", "ticket": "\(ticket)"], deadline)
        } catch {
            (metadata["outcome"], metadata["reason"]) = ("failed", "\(error.description)")
            context.logger.log(level: error.needsPerson ? .error : .warning, "webhook", metadata: metadata)
            throw FunctionFailure.tryAgain(after: .seconds(2), "the message cannot be published")
        }
        metadata["outcome"] = "published"
        context.logger.info("webhook", metadata: metadata)
        return FunctionResponse(status: .noContent)
    }

    /// Why a request is not Zendesk's; nil if it is. The caller is not told.
    private func refusal(of request: HTTPRequest, _ body: Data) -> String? {
        guard let text = request.headerFields[Self.signature], let signature = Data(base64Encoded: text),
            let timestamp = request.headerFields[Self.timestamp], let time = RFC3339(timestamp)
        else { return "it has no signature and time" }
        guard abs(self.time.secondsSince1970() - Double(time.seconds)) <= Self.maximumAge else {
            return "its time is over an hour away"
        }
        return isAuthentic(signature, Data(timestamp.utf8) + body) ? nil : "it is not signed with a known secret"
    }
}
