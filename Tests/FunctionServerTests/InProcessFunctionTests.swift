import CloudEvents
import Foundation
import FunctionRuntime
import FunctionServer
import HTTPTypes
import Testing

@Suite("A function in the test's own process")
struct InProcessFunctionTests {
    @Test("a message is delivered in each form, and the answer is the server's", arguments: PubSubMessage.DeliveryForm.allCases)
    func deliver(form: PubSubMessage.DeliveryForm) async {
        let function = InProcessFunction(
            ClosureHandler<PubSubMessage> { message, context in
                #expect(context.eventID == "7")
                guard message.data == Data("hi".utf8) else { throw FunctionFailure.unprocessable("nobody said hi") }
            }
        )
        let done = await function.deliver(PubSubMessage(id: "7", data: Data("hi".utf8)), as: form, topic: "projects/p/topics/t")
        #expect(done.response.status == .noContent)
        #expect(done.body.isEmpty)
        let refused = await function.deliver(PubSubMessage(id: "7"), as: form)
        #expect(refused.response.status.code == 422)
        #expect(refused.body == Data(#"{"error":{"code":"unprocessable","message":"nobody said hi"}}"#.utf8))
    }

    @Test("places and the deadline hold here, too")
    func limits() async {
        let function = InProcessFunction(
            ClosureHandler<PubSubMessage> { _, _ in try await Task.sleep(for: .seconds(60)) },
            configuration: .init(timeout: .milliseconds(200), concurrency: 2)
        )
        let statuses = await withTaskGroup { group in
            for index in 0..<3 { group.addTask { await function.deliver(PubSubMessage(id: "\(index)")).response.status.code } }
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(statuses.sorted() == [429, 504, 504])
    }
}
