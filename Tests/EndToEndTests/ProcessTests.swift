import AsyncHTTPClient
import CloudEvents
import Foundation
import LocalStack
import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization
import Testing

/// `booking-status-function` as the container runs it: a process of its own.
@Suite("The process")
struct ProcessTests {
    private static let complete = [
        "HOST": "127.0.0.1", "PORT": "0", "ZENDESK_ACCESS_TOKEN": "t", "ZENDESK_BOOKING_ID_FIELD": "1001",
        "ZENDESK_BOOKING_STATUS_FIELD": "1002", "ZENDESK_BOOKING_VERSION_FIELD": "1003", "BOOKING_STATUS_TAGS": "Booked=booking_2_booked",
    ]

    @Test("wrong configuration ends the start with every fault, and 78")
    func configuration() async throws {
        let process = try FunctionProcess(["PORT": "x", "ZENDESK_URL": "http://example.com", "ZENDESK_ACCESS_TOKEN": "a secret"])
        #expect(try await process.status() == 78)
        let log = process.log
        for name in ["PORT", "ZENDESK_URL", "ZENDESK_ACCESS_TOKEN", "ZENDESK_BOOKING_ID_FIELD", "BOOKING_STATUS_TAGS"] {
            #expect(log.contains("configuration: \(name)"))
        }
        #expect(!log.contains("a secret"))
    }

    @Test("SIGTERM ends it with 0")
    func sigterm() async throws {
        let process = try FunctionProcess(Self.complete.merging(["ZENDESK_URL": "http://127.0.0.1:1"]) { $1 })
        _ = try await process.port()
        process.send(SIGTERM)
        #expect(try await process.status() == 0)
    }

    @Test("two hundred events that are in flight eight seconds after SIGTERM are answered 503, and it ends with 0", .timeLimit(.minutes(5)))
    func drains() async throws {
        try await silentServer { silent in
            let process = try FunctionProcess(
                Self.complete.merging(["ZENDESK_URL": silent.url, "FUNCTION_CONCURRENCY": "200"]) { $1 }
            )
            let port = try await process.port()
            let data = try Data(contentsOf: #require(event))
            var configuration = HTTPClient.Configuration()
            configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 200
            try await HTTPClient.withHTTPClient(configuration: configuration) { client in
                let sender = EventSender(client: client, url: "http://127.0.0.1:\(port)/")
                try await withThrowingTaskGroup { group in
                    for index in 0..<200 {
                        group.addTask { try await sender.send(.init(id: "\(index)", data: data, publishTime: Date())).status }
                    }
                    // Only what has been read is in flight.
                    while connectionsThatWereRead(port) < 200 { try await Task.sleep(for: .milliseconds(50)) }
                    try await Task.sleep(for: .seconds(1))
                    let begin = ContinuousClock.now
                    process.send(SIGTERM)
                    try await Task.sleep(for: .milliseconds(500))
                    await #expect(throws: (any Error).self) {
                        try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup).connect(host: "127.0.0.1", port: port).get()
                    }
                    var statuses: [HTTPResponseStatus: Int] = [:]
                    for try await status in group { statuses[status, default: 0] += 1 }
                    #expect(statuses == [.serviceUnavailable: 200])
                    #expect(try await process.status() == 0)
                    #expect(ContinuousClock.now - begin < .seconds(10))
                }
            }
        }
    }

    @Test("with push tokens asked for, a caller without one is refused, and one whose token cannot be checked is told to come again")
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
        #expect(try await HTTPClient.shared.execute(request, timeout: .seconds(20)).status == .unauthorized)
        // {"alg":"RS256","kid":"k"}
        request.headers.add(name: "authorization", value: "Bearer eyJhbGciOiJSUzI1NiIsImtpZCI6ImsifQ.e30.c2ln")
        #expect(try await HTTPClient.shared.execute(request, timeout: .seconds(20)).status == .serviceUnavailable)
        let log = process.log
        #expect(log.contains("PUSH_KEYS_URL cannot be had") && !log.contains("eyJhbG"))
        process.send(SIGTERM)
        #expect(try await process.status() == 0)
    }

    @Test("a second SIGTERM ends it at once with 143", .timeLimit(.minutes(5)))
    func secondSigterm() async throws {
        try await silentServer { silent in
            let process = try FunctionProcess(
                Self.complete.merging(["ZENDESK_URL": silent.url]) { $1 }
            )
            let port = try await process.port()
            let data = try Data(contentsOf: #require(event))
            async let answer = try? EventSender(url: "http://127.0.0.1:\(port)/").send(.init(id: "1", data: data, publishTime: Date()))
            while silent.connections == 0 { try await Task.sleep(for: .milliseconds(20)) }
            process.send(SIGTERM)
            while !process.log.contains("stopping") { try await Task.sleep(for: .milliseconds(20)) }
            process.send(SIGTERM)
            #expect(try await process.status() == 143)
            #expect(await answer == nil)
        }
    }

    /// How many connections to the port are established, and have no bytes left that the server has not read. Source: proc(5), `/proc/net/tcp`.
    private func connectionsThatWereRead(_ port: Int) -> Int {
        // A file of the kernel has no size: it has to be read to its end.
        guard let data = try? FileHandle(forReadingAtPath: "/proc/net/tcp")?.readToEnd() else { return .max }
        let table = String(decoding: data, as: UTF8.self)
        let address = ":" + String(repeating: "0", count: 4 - String(port, radix: 16).count) + String(port, radix: 16, uppercase: true)
        return table.split(separator: "\n").count { line in
            let columns = line.split(separator: " ")
            return columns.count > 4 && columns[1].hasSuffix(address) && columns[3] == "01" && columns[4].hasSuffix(":00000000")
        }
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

    init(_ environment: [String: String]) throws {
        file = FileManager.default.temporaryDirectory.appending(path: "\(UUID().uuidString).log")
        _ = FileManager.default.createFile(atPath: file.path, contents: nil)
        process = Process()
        process.executableURL = URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent().appending(
            path: "booking-status-function"
        )
        process.environment = environment
        process.standardError = try FileHandle(forWritingTo: file)
        try process.run()
    }

    deinit {
        if process.isRunning { process.terminate() }
        try? FileManager.default.removeItem(at: file)
    }

    var log: String { (try? String(contentsOf: file, encoding: .utf8)) ?? "" }

    /// Waits until the function says that it listens.
    func port() async throws -> Int {
        for _ in 0..<1000 {
            if let line = log.split(separator: "\n").first(where: { $0.contains("\"message\":\"listening\"") }),
                let port = line.firstMatch(of: /"port":"(\d+)"/).flatMap({ Int($0.1) })
            {
                return port
            }
            try await Task.sleep(for: .milliseconds(20))
        }
        throw NotReady(log: log)
    }

    func send(_ signal: Int32) { kill(process.processIdentifier, signal) }

    /// The exit status, once the process has ended.
    func status() async throws -> Int32 {
        for _ in 0..<1500 where process.isRunning { try await Task.sleep(for: .milliseconds(20)) }
        guard !process.isRunning else { throw NotReady(log: log) }
        return process.terminationStatus
    }

    private struct NotReady: Error { let log: String }
}
