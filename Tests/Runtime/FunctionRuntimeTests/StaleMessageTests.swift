import FunctionRuntime
import Foundation
import HTTPTypes
import Testing

@Suite("An event's message")
struct StaleMessageTests {
    @Test("follows the event's data, even after a change, and two events with the same data are equal")
    func followsData() throws {
        let body = Data(#"{"message":{"data":"YQ==","messageId":"1"},"subscription":"projects/p/subscriptions/s"}"#.utf8)
        let other = Data(#"{"message":{"data":"Yg==","messageId":"1"},"subscription":"projects/p/subscriptions/s"}"#.utf8)
        let request = HTTPRequest(method: .post, scheme: "http", authority: "a", path: "/projects/p/topics/t")
        var event = try CloudEvent(request, body: body)
        let copy = CloudEvent(
            id: event.id,
            source: event.source,
            type: event.type,
            time: event.time,
            dataContentType: event.dataContentType,
            data: event.data
        )
        #expect(event == copy)
        event.data = other
        #expect(try PubSubMessage(event).data == Data("b".utf8))
    }
}
