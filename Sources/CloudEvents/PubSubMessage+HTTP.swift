public import FoundationEssentials
public import HTTPTypes

extension PubSubMessage {
    /// The request with which Pub/Sub, or Eventarc, would deliver this message.
    ///
    /// - Parameters:
    ///   - form: what delivers it.
    ///   - topic: `projects/P/topics/T`; only a CloudEvent can name it.
    /// - Returns: the request's head, with path `/`, and its body.
    public func request(as form: DeliveryForm, topic: String? = nil) -> (head: HTTPRequest, body: Data) {
        var head = HTTPRequest(method: .post, scheme: nil, authority: nil, path: "/")
        head.headerFields[.contentType] = "application/json"
        let body = PushBody(self).json
        if form == .binary {
            let event = CloudEvent(self, topic: Topic(name: topic), data: body)
            head.headerFields[HTTPField.Name("ce-specversion")!] = "1.0"
            head.headerFields[HTTPField.Name("ce-id")!] = CloudEvent.percentEncoded(event.id)
            head.headerFields[HTTPField.Name("ce-source")!] = CloudEvent.percentEncoded(event.source)
            head.headerFields[HTTPField.Name("ce-type")!] = event.type
            head.headerFields[HTTPField.Name("ce-time")!] = event.time.map(\.rfc3339)
        }
        return (head, body)
    }

    /// How a message is posted.
    public enum DeliveryForm: String, CaseIterable, Sendable {
        /// As a push subscription does.
        case push
        /// As Eventarc does, with the event's attributes in headers.
        case binary
    }
}
