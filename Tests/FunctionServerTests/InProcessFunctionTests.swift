import FunctionRuntime
import Foundation
import FunctionServer
import HTTPTypes
import TestSupport
import Testing

@Suite("In-process function")
struct InProcessFunctionTests {
    @Test("a message is delivered in each form and gets the server's answer", arguments: PubSubMessage.DeliveryForm.allCases)
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

    @Test("the concurrency limit also applies in process")
    func places() async throws {
        let begun = Recorder<String>()
        let (release, isReleased) = AsyncStream.makeStream(of: Never.self)
        let function = InProcessFunction(
            ClosureHandler<PubSubMessage> { message, _ in
                begun.add(message.id)
                for await _ in release {}
            },
            configuration: .init(timeout: .seconds(60), concurrency: 2)
        )
        try await withThrowingTaskGroup(of: Int.self) { group in
            for index in 0..<2 { group.addTask { await function.deliver(PubSubMessage(id: "\(index)")).response.status.code } }
            try await eventually("both are in flight") { begun.all.count == 2 }
            #expect(await function.deliver(PubSubMessage(id: "2")).response.status.code == 429)
            isReleased.finish()
            for try await status in group { #expect(status == 204) }
        }
    }

    @Test("the deadline also applies in process")
    func deadline() async {
        let function = InProcessFunction(
            ClosureHandler<PubSubMessage> { _, _ in try await Task.sleep(for: .seconds(60)) },
            configuration: .init(timeout: .milliseconds(200))
        )
        #expect(await function.deliver(PubSubMessage(id: "1")).response.status.code == 504)
    }

    @Test("background work runs while calls are in flight, once for all of them")
    func beside() async throws {
        let work = Recorder<String>()
        let (release, isReleased) = AsyncStream.makeStream(of: Never.self)
        let closure = ClosureHandler<PubSubMessage> { message, _ in
            work.add(message.id)
            for await _ in release {}
        }
        let handler = BusyHandler(handler: closure) {
            work.add("begins")
            while !Task.isCancelled { try? await Task.sleep(for: .seconds(60)) }
            work.add("ends")
        }
        let function = InProcessFunction(handler, configuration: .init(timeout: .seconds(60)))
        await withTaskGroup(of: Int.self) { group in
            for index in 0..<2 { group.addTask { await function.deliver(PubSubMessage(id: "\(index)")).response.status.code } }
            try? await eventually("both are in flight") { work.all.count == 3 }
            isReleased.finish()
            for await status in group { #expect(status == 204) }
        }
        #expect(work.all.count == 4 && work.all.last == "ends")
    }
}
