import AsyncHTTPClient
import FunctionRuntime
import Foundation
import LocalStack
import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization
import TestSupport
import Testing

/// `booking-status-function` as the container runs it: a process of its own.
@Suite("The process")
struct ProcessTests {
    private static let complete = [
        "HOST": "127.0.0.1", "PORT": "0", "ZENDESK_ACCESS_TOKEN": "t", "ZENDESK_BOOKING_ID_FIELD": "1001",
        "ZENDESK_BOOKING_STATUS_FIELD": "1002", "ZENDESK_BOOKING_VERSION_FIELD": "1003", "BOOKING_STATUS_TAGS": "Booked=booking_2_booked",
    ]

    @Test("an invalid configuration ends the start with every fault and exit status 78")
    func configuration() async throws {
        let process = try FunctionProcess(["PORT": "x", "ZENDESK_URL": "http://example.com", "ZENDESK_ACCESS_TOKEN": "a secret"])
        #expect(try await process.status() == 78)
        let log = process.log
        for name in ["PORT", "ZENDESK_URL", "ZENDESK_ACCESS_TOKEN", "ZENDESK_BOOKING_ID_FIELD", "BOOKING_STATUS_TAGS"] {
            #expect(log.contains("configuration: \(name)"))
        }
        #expect(!log.contains("a secret"))
    }

    @Test("SIGTERM ends the process with 0")
    func sigterm() async throws {
        let process = try FunctionProcess(Self.complete.merging(["ZENDESK_URL": "http://127.0.0.1:1"]) { $1 })
        _ = try await process.port()
        process.send(SIGTERM)
        #expect(try await process.status() == 0)
    }

    @Test("two hundred events in flight eight seconds after SIGTERM get 503, and the process ends with 0", .timeLimit(.minutes(5)))
    func drains() async throws {
        try await silentServer { silent in
            let process = try FunctionProcess(
                Self.complete.merging(["ZENDESK_URL": silent.url, "FUNCTION_CONCURRENCY": "200"]) { $1 }
            )
            let port = try await process.port()
            let data = try Data(contentsOf: #require(event))
            let sender = EventSender(url: "http://127.0.0.1:\(port)/")
            try await withThrowingTaskGroup { group in
                for index in 0..<200 {
                    group.addTask { try await sender.send(.init(id: "\(index)", data: data, publishTime: Date())).status }
                }
                try await eventually("all are in flight") { await isFull(port) }
                let begin = ContinuousClock.now
                process.send(SIGTERM)
                try await eventually("connections are refused") {
                    let bootstrap = ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
                    guard let channel = try? await bootstrap.connect(host: "127.0.0.1", port: port).get() else { return true }
                    // The server may have been faster.
                    try? await channel.close()
                    return false
                }
                var statuses: [Int: Int] = [:]
                for try await status in group { statuses[status, default: 0] += 1 }
                #expect(statuses == [503: 200])
                #expect(try await process.status() == 0)
                #expect(try #require(process.ended) - begin < .seconds(10))
            }
        }
    }

    @Test("with push tokens required, a caller without one is refused, and one whose token cannot be checked is told to retry")
    func pushTokens() async throws {
        let process = try FunctionProcess(
            Self.complete.merging([
                "ZENDESK_URL": "http://127.0.0.1:1", "PUSH_AUDIENCE": "a", "PUSH_SERVICE_ACCOUNT": "s",
                "PUSH_KEYS_URL": "http://127.0.0.1:1/",
            ]) { $1 }
        )
        let url = "http://127.0.0.1:\(try await process.port())/"
        var request = HTTPClientRequest(url: url)
        request.method = .POST
        #expect(try await HTTPClient.shared.execute(request, timeout: .seconds(60)).status == .unauthorized)
        // {"alg":"RS256","kid":"k"}
        request.headers.add(name: "authorization", value: "Bearer eyJhbGciOiJSUzI1NiIsImtpZCI6ImsifQ.e30.c2ln")
        #expect(try await HTTPClient.shared.execute(request, timeout: .seconds(60)).status == .serviceUnavailable)
        process.send(SIGTERM)
        #expect(try await process.status() == 0)
        let log = process.log
        #expect(log.contains("PUSH_KEYS_URL cannot be fetched") && !log.contains("eyJhbG"))
    }

    @Test("a second SIGTERM ends the process at once with 143", .timeLimit(.minutes(5)))
    func secondSigterm() async throws {
        try await silentServer { silent in
            let process = try FunctionProcess(
                Self.complete.merging(["ZENDESK_URL": silent.url]) { $1 }
            )
            let port = try await process.port()
            let data = try Data(contentsOf: #require(event))
            async let answer = try? EventSender(url: "http://127.0.0.1:\(port)/").send(.init(id: "1", data: data, publishTime: Date()))
            try await eventually("Zendesk was called") { silent.connections > 0 }
            process.send(SIGTERM)
            try await eventually("it stops") { process.log.contains("stopping") }
            process.send(SIGTERM)
            #expect(try await process.status() == 143)
            #expect(await answer == nil)
        }
    }

    /// Whether an event would get 429. The one that asks sends no body, and so takes no place.
    private func isFull(_ port: Int) async -> Bool {
        var request = HTTPClientRequest(url: "http://127.0.0.1:\(port)/")
        request.method = .POST
        request.body = .stream(AsyncStream<ByteBuffer> { _ in }, length: .known(Int64(1)))
        return (try? await HTTPClient.shared.execute(request, timeout: .milliseconds(500)))?.status == .tooManyRequests
    }

    private var event: URL? {
        URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "events/2-booked.google.json")
    }

    /// Takes connections and says nothing.
    private func silentServer(_ body: (SilentServer) async throws -> Void) async throws {
        let silent = SilentServer()
        let channel = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .childChannelInitializer { channel in
                silent.count()
                return channel.eventLoop.makeSucceededVoidFuture()
            }
            .bind(host: "127.0.0.1", port: 0).get()
        silent.listens(on: channel.localAddress?.port ?? 0)
        do {
            try await body(silent)
        } catch {
            try await channel.close()
            throw error
        }
        try await channel.close()
    }
}

/// A Zendesk that takes connections, and never answers.
private final class SilentServer: Sendable {
    private let state = Mutex((port: 0, connections: 0))

    var url: String { "http://127.0.0.1:\(state.withLock(\.port))" }
    var connections: Int { state.withLock(\.connections) }

    func listens(on port: Int) { state.withLock { $0.port = port } }
    func count() { state.withLock { $0.connections += 1 } }
}

/// The executable that was built along with the tests, with its log in a file.
private final class FunctionProcess: Sendable {
    private let process: Process
    private let file: URL
    private let end = Mutex<ContinuousClock.Instant?>(nil)

    init(_ environment: [String: String]) throws {
        file = FileManager.default.temporaryDirectory.appending(path: "\(UUID().uuidString).log")
        _ = FileManager.default.createFile(atPath: file.path, contents: nil)
        process = Process()
        process.executableURL = URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent().appending(
            path: "booking-status-function"
        )
        process.environment = environment
        process.standardError = try FileHandle(forWritingTo: file)
        process.terminationHandler = { [weak self] _ in self?.end.withLock { $0 = .now } }
        try process.run()
    }

    deinit {
        if process.isRunning { process.terminate() }
        try? FileManager.default.removeItem(at: file)
    }

    var log: String { (try? String(contentsOf: file, encoding: .utf8)) ?? "" }

    /// When it ended.
    var ended: ContinuousClock.Instant? { end.withLock { $0 } }

    /// Waits until the function says that it listens.
    func port() async throws -> Int {
        try await eventually("it listens, and does not say \(log)") { listeningPort != nil }
        return listeningPort!
    }

    private var listeningPort: Int? {
        guard let line = log.split(separator: "\n").first(where: { $0.contains("\"message\":\"listening\"") }) else { return nil }
        return line.firstMatch(of: /"port":"(\d+)"/).flatMap { Int($0.1) }
    }

    func send(_ signal: Int32) { kill(process.processIdentifier, signal) }

    /// The exit status, once the process has ended.
    func status() async throws -> Int32 {
        try await eventually("it ends") { ended != nil }
        return process.terminationStatus
    }
}
