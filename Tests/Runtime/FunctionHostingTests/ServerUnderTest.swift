import AsyncHTTPClient
import FunctionRuntime
import FunctionHosting
import InMemoryLogging
import Logging
import NIOCore
import NIOHTTP1
import ServiceLifecycle

/// A server on a free loopback port, and a client for it.
struct ServerUnderTest: Sendable {
    let port: Int
    let client: HTTPClient
    let stop: @Sendable () async -> Void

    struct Answer: Equatable {
        let status: Int
        let body: String
        var headers: HTTPHeaders = [:]

        static func == (left: Answer, right: Answer) -> Bool { left.status == right.status && left.body == right.body }
    }

    func post(_ body: String, path: String = "/", headers: [String: String] = [:]) async throws -> Answer {
        try await send(.POST, body, path: path, headers: headers)
    }

    func postChunked(_ body: String) async throws -> Answer {
        try await send(.POST, body, path: "/", headers: [:], isChunked: true)
    }

    func send(_ method: HTTPMethod, _ body: String, path: String, headers: [String: String], isChunked: Bool = false) async throws -> Answer
    {
        var request = HTTPClientRequest(url: "http://127.0.0.1:\(port)\(path)")
        request.method = method
        for (name, value) in headers { request.headers.add(name: name, value: value) }
        request.body = isChunked ? .stream([ByteBuffer(string: body)].async, length: .unknown) : .bytes(ByteBuffer(string: body))
        let response = try await client.execute(request, timeout: .seconds(60))
        let answer = try await response.body.collect(upTo: 1 << 20)
        return Answer(status: Int(response.status.code), body: String(buffer: answer), headers: response.headers)
    }
}

/// A handler with background work.
struct BusyHandler<Event: FunctionEvent>: FunctionHandler {
    let handler: ClosureHandler<Event>
    let beside: @Sendable () async throws -> Void

    func handle(_ event: Event, context: FunctionContext) async throws { try await handler.handle(event, context: context) }
    func run() async throws { try await beside() }
}

/// Serves the handler while the body runs.
func serving<Event: FunctionEvent>(
    _ configuration: FunctionServerConfiguration = .init(host: "127.0.0.1", port: 0),
    callerCheck: (any CallerCheck)? = nil,
    log: InMemoryLogHandler = InMemoryLogHandler(),
    beside: @escaping @Sendable () async throws -> Void = {},
    handler: @escaping @Sendable (Event, FunctionContext) async throws -> Void,
    _ body: @Sendable (ServerUnderTest) async throws -> Void
) async throws {
    let logger = Logger(label: "test") { _ in log }
    let handler = BusyHandler(handler: ClosureHandler(handler), beside: beside)
    try await serving(body) {
        FunctionServer(handler, configuration: configuration, callerCheck: callerCheck, logger: logger, onListening: $0)
    }
}

/// Serves a function over HTTP while the body runs.
func serving(
    _ function: some HTTPFunction,
    _ configuration: FunctionServerConfiguration = .init(host: "127.0.0.1", port: 0),
    log: InMemoryLogHandler = InMemoryLogHandler(),
    _ body: @Sendable (ServerUnderTest) async throws -> Void
) async throws {
    let logger = Logger(label: "test") { _ in log }
    try await serving(body) { FunctionServer(function, configuration: configuration, logger: logger, onListening: $0) }
}

private func serving(
    _ body: @Sendable (ServerUnderTest) async throws -> Void,
    _ makeServer: (_ onListening: @escaping @Sendable (Int) async -> Void) -> FunctionServer
) async throws {
    let (ports, listens) = AsyncStream.makeStream(of: Int.self)
    let server = makeServer { listens.yield($0) }
    let group = ServiceGroup(configuration: .init(services: [server], logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }))
    try await withThrowingTaskGroup(of: Void.self) { tasks in
        tasks.addTask { try await group.run() }
        var iterator = ports.makeAsyncIterator()
        let port = await iterator.next()!
        var client = HTTPClient.Configuration()
        client.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 1000
        try await HTTPClient.withHTTPClient(configuration: client) { client in
            try await body(ServerUnderTest(port: port, client: client) { await group.triggerGracefulShutdown() })
        }
        await group.triggerGracefulShutdown()
        try await tasks.waitForAll()
    }
}

extension Sequence where Self: Sendable, Element: Sendable {
    var async: AsyncStream<Element> {
        AsyncStream { continuation in
            for element in self { continuation.yield(element) }
            continuation.finish()
        }
    }
}
