import Support
import FunctionRuntime
import Foundation
import FunctionHosting
import HTTPTypes
import InMemoryLogging
import Logging
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

    @Test("a liveness probe is answered on its path alone, without a token, and only if the settings name one")
    func liveness() async {
        struct Handler: FunctionHandler {
            let isAlive: Bool

            func handle(_ event: PubSubMessage, context: FunctionContext) async throws {}
        }
        struct Refusal: CallerCheck {
            func check(_ request: HTTPRequest) async throws(CallerRejection) { throw .unauthenticated("no token") }
        }
        func code(_ method: HTTPRequest.Method, _ path: String, isAlive: Bool = true, livenessPath: String? = "/alive") async -> Int {
            let configuration = FunctionServerConfiguration(livenessPath: livenessPath)
            let function = InProcessFunction(Handler(isAlive: isAlive), configuration: configuration, callerCheck: Refusal())
            let request = HTTPRequest(method: method, scheme: nil, authority: nil, path: path)
            let (response, _) = await function.respond(to: request)
            return response.status.code
        }
        #expect(await code(.get, "/alive") == 204)
        #expect(await code(.get, "/alive", isAlive: false) == 503)
        #expect(await code(.get, "/alive", livenessPath: nil) == 405)
        #expect(await code(.get, "/other") == 405)
        #expect(await code(.post, "/alive") == 401)
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

    @Test("a call returns when it is answered, while others continue")
    func ownAnswer() async throws {
        let begun = Recorder<String>()
        let (release, isReleased) = AsyncStream.makeStream(of: Never.self)
        let function = InProcessFunction(configuration: .init(timeout: .seconds(60))) { (message: PubSubMessage, _) in
            begun.add(message.id)
            while message.id == "first", begun.all.count < 2 { try await Task.sleep(for: .milliseconds(1)) }
            if message.id == "second" { for await _ in release {} }
        }
        try await withThrowingTaskGroup(of: String.self) { group in
            for id in ["first", "second"] {
                group.addTask {
                    _ = await function.deliver(PubSubMessage(id: id))
                    return id
                }
                try await eventually("it is in flight") { begun.all.contains(id) }
            }
            #expect(try await group.next() == "first")
            isReleased.finish()
            #expect(try await group.next() == "second")
        }
    }

    @Test("background work that fails is logged, and calls in flight are answered 500")
    func failure() async throws {
        struct OwnError: Error {}
        let log = InMemoryLogHandler()
        let closure = ClosureHandler<PubSubMessage> { _, _ in
            while log.entries.isEmpty { try? await Task.sleep(for: .milliseconds(1)) }
        }
        let handler = BusyHandler(handler: closure) { throw OwnError() }
        let function = InProcessFunction(handler, logger: Logger(label: "test") { _ in log })
        let answer = await function.deliver(PubSubMessage(id: "1"))
        #expect(answer.response.status.code == 500)
        #expect(log.entries.contains { $0.message == "the function's background work failed" && $0.level == .error })
    }

    struct Order: Decodable, Sendable {
        struct Item: Decodable { let price: Int }
        let number: Int
        let items: [Item]
        var notes: [String: Int]?
    }

    @Test(
        "data is decoded for the handler; undecodable data gets 422 with the member's name",
        arguments: [
            (#"{"number":7,"items":[{"price":1}]}"#, nil),
            (#"{"items":[]}"#, "number is missing"),
            (#"{"number":null,"items":[]}"#, "number is null"),
            (#"{"number":"a secret","items":[]}"#, "number is not of the type Int"),
            (#"{"number":7,"items":[{"price":1},{"price":[]}]}"#, "items.1.price is not of the type Int"),
            (#"{"number":7,"items":[],"notes":{"a secret":"x"}}"#, "notes.* is not of the type Int"),
            ("a secret", "it is damaged"), ("", "it is damaged"),
        ] as [(String, String?)]
    )
    func decodes(data: String, fault: String?) async {
        let function = InProcessFunction { (order: PubSub<Order>, context) in
            #expect(order.payload.number == 7 && order.payload.items.count == 1)
            #expect(order.message.id == "1" && order.message.data == Data(data.utf8))
        }
        for form in PubSubMessage.DeliveryForm.allCases {
            let answer = await function.deliver(PubSubMessage(id: "1", data: Data(data.utf8)), as: form)
            guard let fault else {
                #expect(answer.response.status.code == 204)
                continue
            }
            #expect(answer.response.status.code == 422)
            let body = String(decoding: answer.body, as: UTF8.self)
            #expect(body.contains("the message's data is not the JSON of Order: \(fault)") && !body.contains("secret"))
        }
    }

    @Test("an event that is refused before the handler, or that times out, is found in the log by its message")
    func loggedMessage() async {
        let log = InMemoryLogHandler()
        let message = PubSubMessage(id: "7", data: Data("{}".utf8), deliveryAttempt: 3)
        let decoding = InProcessFunction(logger: Logger(label: "test") { _ in log }) { (_: PubSub<Order>, _) in }
        #expect(await decoding.deliver(message).response.status.code == 422)
        let slow = InProcessFunction(configuration: .init(timeout: .milliseconds(100)), logger: Logger(label: "test") { _ in log }) {
            (_: PubSubMessage, _) in try await Task.sleep(for: .seconds(60))
        }
        #expect(await slow.deliver(message).response.status.code == 504)
        #expect(log.entries.map { $0.metadata["message_id"] } == ["7", "7"])
        #expect(log.entries.map { $0.metadata["delivery_attempt"] } == ["3", "3"])
    }

    @Test("an event of another kind gets 400")
    func otherKind() async {
        let function = InProcessFunction { (_: PubSub<Order>, _) in }
        let event = CloudEvent(id: "1", source: "/kitchen", type: "com.example.lights", data: Data("{}".utf8))
        #expect(await function.deliver(event).response.status.code == 400)
    }

    @Test("a handler gets its deadline as an instant, and its trace")
    func context() async {
        let function = InProcessFunction(configuration: .init(timeout: .seconds(600))) { (_: PubSubMessage, context) in
            let left = context.deadline - .now
            #expect(left > .seconds(300) && left <= .seconds(600) && abs(context.timeRemaining / .seconds(1) - left / .seconds(1)) < 60)
            #expect(context.trace == TraceContext(traceID: "0af7651916cd43dd8448eb211c80319c", spanID: "b7ad6b7169203331", isSampled: true))
        }
        let request = PubSubMessage(id: "1").request(as: .push)
        var head = request.head
        head.headerFields[HTTPField.Name("traceparent")!] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        #expect(await function.respond(to: head, body: request.body).response.status.code == 204)
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
