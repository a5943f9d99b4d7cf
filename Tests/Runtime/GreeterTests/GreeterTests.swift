import Foundation
import FunctionRuntime
import FunctionHosting
import HTTPTypes
import Testing

@testable import Greeter

@Test("a message with a name is greeted, one without can never be")
func greets() async {
    let function = InProcessFunction(Greeter())
    let answer = await function.deliver(PubSubMessage(id: "1", attributes: ["name": "world"]))
    #expect(answer.response.status.code == 204)
    #expect(await function.deliver(PubSubMessage(id: "2")).response.status.code == 422)
}

@Test("a new object is taken")
func takesObjects() async throws {
    let event = CloudEvent(
        id: "1",
        source: "//storage.googleapis.com/projects/_/buckets/b",
        type: "google.cloud.storage.object.v1.finalized",
        dataContentType: "application/json",
        data: Data(#"{"bucket":"b","name":"n"}"#.utf8)
    )
    #expect(await InProcessFunction(NewObjects()).deliver(event).response.status.code == 204)
}

@Test("a guest is thanked")
func thanks() async {
    let request = HTTPRequest(method: .post, scheme: nil, authority: nil, path: "/")
    let answer = await InProcessFunction(Guestbook()).respond(to: request, body: Data("Ada".utf8))
    #expect(answer.response.status == .ok)
    #expect(String(decoding: answer.body, as: UTF8.self) == "thank you, Ada")
}
