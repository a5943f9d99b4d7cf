import Support
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

    @Test("every one of many calls that come and go is answered, with background work beside it", .timeLimit(.minutes(2)))
    func comingAndGoing() async {
        let running = Locked((now: 0, most: 0))
        let closure = ClosureHandler<PubSubMessage> { _, _ in
            for _ in 0..<Int.random(in: 0...3) { await Task.yield() }
        }
        let handler = BusyHandler(handler: closure) {
            running.withLock { $0 = ($0.now + 1, max($0.most, $0.now + 1)) }
            try? await Task.sleep(for: .seconds(60))
            running.withLock { $0.now -= 1 }
        }
        let function = InProcessFunction(handler, configuration: .init(timeout: .seconds(60)))
        await withDiscardingTaskGroup { group in
            for caller in 0..<4 {
                group.addTask {
                    for call in 0..<500 {
                        let answer = await function.deliver(PubSubMessage(id: "\(caller)-\(call)"))
                        #expect(answer.response.status == .noContent)
                        if Bool.random() { await Task.yield() }
                    }
                }
            }
        }
        #expect(running.value == (0, 1))
    }
}
