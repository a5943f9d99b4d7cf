package import FunctionRuntime
import HTTPTypes
package import Support

/// Posts messages to a function, as Pub/Sub and Eventarc do.
package struct EventSender: Sendable {
    /// The topic of local messages.
    static let topic = "projects/local/topics/bookings-table-status"

    private let http: LoopbackHTTP

    /// - Parameter url: where the function listens, on this machine.
    package init(url: String) { http = LoopbackHTTP(url) }

    /// - Returns: the function's answer.
    package func send(
        _ message: PubSubMessage,
        as form: PubSubMessage.DeliveryForm = .push,
        timeout: Duration = .seconds(60)
    ) async throws(OutboundError) -> (status: Int, body: String) {
        let (head, body) = message.request(as: form, topic: Self.topic)
        let headers = head.headerFields.map { (name: $0.name.rawName, value: $0.value) }
        let answer = try await http.send(OutboundRequest(.post, "", headers: headers, body: body), timeout: timeout)
        return (answer.status, String(decoding: answer.body, as: UTF8.self))
    }
}
