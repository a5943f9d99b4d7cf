package import AsyncHTTPClient
package import FunctionRuntime
import HTTPTypes
package import NIOCore
package import NIOHTTP1

/// Posts messages to a function, as Pub/Sub and Eventarc do.
package struct EventSender: Sendable {
    /// The topic that local messages name as theirs.
    static let topic = "projects/local/topics/bookings-table-status"

    private let client: HTTPClient
    private let url: String

    /// - Parameter url: where the function listens.
    package init(client: HTTPClient = .shared, url: String) {
        self.client = client
        self.url = url
    }

    /// - Returns: the function's answer.
    /// - Throws: AsyncHTTPClient's errors, if there is no answer.
    package func send(
        _ message: PubSubMessage,
        as form: PubSubMessage.DeliveryForm = .push,
        timeout: TimeAmount = .seconds(60)
    ) async throws -> (status: HTTPResponseStatus, body: String) {
        let (head, body) = message.request(as: form, topic: Self.topic)
        var request = HTTPClientRequest(url: url)
        request.method = .POST
        for field in head.headerFields { request.headers.add(name: field.name.rawName, value: field.value) }
        request.body = .bytes(body)
        let response = try await client.execute(request, timeout: timeout)
        return (response.status, String(buffer: try await response.body.collect(upTo: 1 << 20)))
    }
}
