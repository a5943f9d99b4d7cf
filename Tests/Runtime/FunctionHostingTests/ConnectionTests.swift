import FunctionRuntime
import Foundation
import FunctionHosting
import Synchronization
import TestSupport
import Testing

@Suite("Connections, byte by byte")
struct ConnectionTests {
    private static let push = #"{"message":{"messageId":"7","data":"aGk="}}"#

    private static func request(_ body: String = push, _ fields: String..., path: String = "/") -> String {
        let fields = (["host: localhost", "content-length: \(body.utf8.count)"] + fields).joined(separator: "\r\n")
        return "POST \(path) HTTP/1.1\r\n\(fields)\r\n\r\n\(body)"
    }

    private static func configuration(
        timeout: Duration = .seconds(60),
        concurrency: Int = 80,
        read: Duration = .seconds(60),
        idle: Duration = .seconds(60),
        maximumBodyBytes: Int = 32 << 20
    ) -> FunctionServerConfiguration {
        FunctionServerConfiguration(
            host: "127.0.0.1",
            port: 0,
            timeout: timeout,
            concurrency: concurrency,
            readTimeout: read,
            idleTimeout: idle,
            maximumBodyBytes: maximumBodyBytes
        )
    }

    @Test("one connection serves several requests, even if they are sent at once")
    func pipelining() async throws {
        let bodies = Recorder<String>()
        try await serving(Self.configuration()) { (message: PubSubMessage, _) in
            bodies.add(message.id)
        } _: { server in
            try await RawConnection.open(port: server.port) { connection in
                let bodies = (1...20).map { #"{"message":{"messageId":"\#($0)"}}"# }
                try await connection.send(bodies.map { Self.request($0) }.joined())
                for _ in bodies { #expect(try await connection.response()?.status == 204) }
                // Refusing a complete request leaves the connection open.
                try await connection.send(Self.request("{\"message\":{}}"))
                #expect(try await connection.response()?.status == 400)
                try await connection.send(Self.request())
                #expect(try await connection.response()?.status == 204)
            }
        }
        #expect(bodies.all == (1...20).map(String.init) + ["7"])
    }

    @Test("a chunked body is assembled, and a damaged one is refused")
    func chunked() async throws {
        try await serving(Self.configuration()) { (message: PubSubMessage, _) in
            #expect(message.data == Data("hi".utf8))
        } _: { server in
            let head = "POST / HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n"
            try await RawConnection.open(port: server.port) { connection in
                let middle = Self.push.index(Self.push.startIndex, offsetBy: 9)
                try await connection.send(head)
                try await connection.send("9\r\n\(Self.push[..<middle])\r\n")
                try await connection.send("\(String(Self.push.utf8.count - 9, radix: 16))\r\n")
                try await connection.send("\(Self.push[middle...])\r\n0\r\n\r\n")
                #expect(try await connection.response()?.status == 204)
            }
            try await RawConnection.open(port: server.port) { connection in
                try await connection.send(head + "zz\r\n")
                let response = try #require(try await connection.response())
                #expect(response.status == 400)
                #expect(response.body.contains("damaged"))
                #expect(await connection.rest() == "")
            }
        }
    }

    struct NoHTTP: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let bytes: String

        init(_ testDescription: String, _ bytes: String) {
            self.testDescription = testDescription
            self.bytes = bytes
        }
    }

    @Test(
        "malformed HTTP gets 400 with a reason, and the connection is closed",
        arguments: [
            NoHTTP("words", "nonsense\r\n\r\n"),
            NoHTTP("a TLS greeting", "\u{16}\u{3}\u{1}\u{2}"),
            NoHTTP("a field without a colon", "POST / HTTP/1.1\r\nno colon\r\n\r\n"),
            NoHTTP("an unknown version", "POST / HTTP/9.9\r\n\r\n"),
            NoHTTP("a negative length", "POST / HTTP/1.1\r\ncontent-length: -1\r\n\r\n"),
            NoHTTP("two lengths", "POST / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n"),
            NoHTTP("a length out of range", "POST / HTTP/1.1\r\ncontent-length: 99999999999999999999\r\n\r\n"),
            NoHTTP("300 KB of header", "POST / HTTP/1.1\r\nx: \(String(repeating: "x", count: 300_000))\r\n\r\n"),
            NoHTTP("5,000 fields", "POST / HTTP/1.1\r\n" + (0..<5000).map { "x-\($0): y\r\n" }.joined() + "\r\n"),
        ]
    )
    func noHTTP(request: NoHTTP) async throws {
        try await serving(Self.configuration()) { (_: PubSubMessage, _) in
            Issue.record("the function was invoked")
        } _: { server in
            try await RawConnection.open(port: server.port) { connection in
                try await connection.send(request.bytes)
                let response = try #require(try await connection.response())
                #expect(response.status == 400)
                #expect(response.body.hasPrefix(#"{"error":{"code":"malformed_request","message":"#))
                #expect(response.head.lowercased().contains("connection: close"))
                #expect(await connection.rest() == "")
            }
        }
    }

    @Test("a truncated body gets 400")
    func truncated() async throws {
        try await serving(Self.configuration()) { (_: PubSubMessage, _) in
            Issue.record("the function was invoked")
        } _: { server in
            try await RawConnection.open(port: server.port) { connection in
                try await connection.send(String(Self.request().dropLast(5)))
                try await connection.finish()
                #expect(try await connection.response()?.status == 400)
            }
        }
    }

    @Test("a hundred attributes of maximum size fit into the headers of an unwrapped push")
    func longHeaders() async throws {
        try await serving(Self.configuration()) { (message: PubSubMessage, _) in
            #expect(message.attributes.count == 100)
        } _: { server in
            let attributes = (0..<100).map { "\(String(repeating: "k", count: 250))\($0): \(String(repeating: "v", count: 1024))" }
            let head = (["POST / HTTP/1.1", "host: localhost", "content-length: 2", "x-goog-pubsub-message-id: 7"] + attributes)
            try await RawConnection.open(port: server.port) { connection in
                try await connection.send(head.joined(separator: "\r\n") + "\r\n\r\nhi")
                #expect(try await connection.response()?.status == 204)
            }
        }
    }

    @Test("at the concurrency limit, a request gets 429 before its body is read, and its connection is closed")
    func fullHouse() async throws {
        let (release, isReleased) = AsyncStream.makeStream(of: Never.self)
        let begun = Recorder<String>()
        try await serving(Self.configuration(concurrency: 1)) { (message: PubSubMessage, _) in
            begun.add(message.id)
            for await _ in release {}
        } _: { server in
            try await RawConnection.open(port: server.port) { first in
                try await first.send(Self.request())
                try await eventually("the handler was called") { !begun.all.isEmpty }
                try await RawConnection.open(port: server.port) { second in
                    // 20 MB are announced, and the server waits for none of them.
                    try await second.send("POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 20000000\r\n\r\n")
                    let refused = try #require(try await second.response())
                    #expect(refused.status == 429)
                    #expect(refused.head.lowercased().contains("retry-after: 1"))
                    #expect(refused.head.lowercased().contains("connection: close"))
                    #expect(await second.rest() == "")
                }
                isReleased.finish()
                #expect(try await first.response()?.status == 204)
                // The place is free again.
                try await first.send(Self.request())
                #expect(try await first.response()?.status == 204)
            }
        }
    }

    @Test("a client that keeps sending after an early answer is cut off")
    func floodAfterAnswer() async throws {
        try await serving(Self.configuration(maximumBodyBytes: 1000)) { (_: PubSubMessage, _) in
            Issue.record("the function was invoked")
        } _: { server in
            try await RawConnection.open(port: server.port) { connection in
                try await connection.send("POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 200000000\r\n\r\n")
                #expect(try await connection.response()?.status == 413)
                var sent = 0
                let megabyte = String(repeating: "x", count: 1 << 20)
                while sent < 200, (try? await connection.send(megabyte)) != nil { sent += 1 }
                // The buffers of two sockets, and the megabyte that is discarded.
                #expect(sent < 30)
            }
        }
    }

    @Test("a body that is too long is refused by its announced length or while it is read")
    func tooLong() async throws {
        try await serving(Self.configuration(maximumBodyBytes: 1000)) { (_: PubSubMessage, _) in
            Issue.record("the function was invoked")
        } _: { server in
            try await RawConnection.open(port: server.port) { connection in
                try await connection.send("POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1001\r\n\r\n")
                #expect(try await connection.response()?.status == 413)
                #expect(await connection.rest() == "")
            }
            try await RawConnection.open(port: server.port) { connection in
                try await connection.send("POST / HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n")
                try await connection.send("3e9\r\n\(String(repeating: "x", count: 1001))\r\n")
                #expect(try await connection.response()?.status == 413)
                #expect(await connection.rest() == "")
            }
        }
    }

    @Test("a client that asks before it sends its body is told to continue or refused")
    func expectContinue() async throws {
        try await serving(Self.configuration(maximumBodyBytes: 1000)) { (_: PubSubMessage, _) in
        } _: { server in
            try await RawConnection.open(port: server.port) { connection in
                let head = "POST / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\n"
                try await connection.send(head + "content-length: \(Self.push.utf8.count)\r\n\r\n")
                #expect(try await connection.response()?.status == 100)
                try await connection.send(Self.push)
                #expect(try await connection.response()?.status == 204)
                try await connection.send(head + "content-length: 1001\r\n\r\n")
                #expect(try await connection.response()?.status == 413)
            }
        }
    }

    @Test("a client that disconnects cancels its handler", arguments: [true, false])
    func clientGone(isHalfClosed: Bool) async throws {
        let begun = Recorder<String>()
        let endings = Recorder<Bool>()
        try await serving(Self.configuration()) { (message: PubSubMessage, _) in
            begun.add(message.id)
            do {
                try await Task.sleep(for: .seconds(60))
                endings.add(false)
            } catch {
                endings.add(true)
                throw error
            }
        } _: { server in
            try await RawConnection.open(port: server.port) { connection in
                try await connection.send(Self.request())
                try await eventually("the handler was called") { !begun.all.isEmpty }
                if isHalfClosed {
                    try await connection.finish()
                    #expect(try await connection.response()?.status == 503)
                }
            }
            try await eventually("the handler ended") { !endings.all.isEmpty }
        }
        #expect(endings.all == [true])
    }

    @Test("a dripping request is cut off, in its head or in its body")
    func drips() async throws {
        try await serving(Self.configuration(read: .seconds(5))) { (message: PubSubMessage, _) in
            #expect(message.id != "dripped")
        } _: { server in
            // Too long ever to be complete, however late the server's timer fires on a busy
            // machine.
            let padding = String(repeating: " ", count: 10_000)
            let request = Self.request(#"{"message":{"messageId":"dripped"}\#(padding)}"#)
            for sentAtOnce in [10, 100] {
                try await RawConnection.open(port: server.port) { connection in
                    try await connection.send(String(request.prefix(sentAtOnce)))
                    for character in request.dropFirst(sentAtOnce) {
                        try? await Task.sleep(for: .milliseconds(50))
                        guard (try? await connection.send(String(character))) != nil else { break }
                    }
                    let response = try #require(try await connection.response())
                    #expect(response.status == 408)
                    #expect(response.body.contains("request_timeout"))
                }
            }
        }
    }

    @Test("a silent connection is closed, before the first request and after one")
    func idle() async throws {
        try await serving(Self.configuration(idle: .seconds(3))) { (_: PubSubMessage, _) in
        } _: { server in
            try await RawConnection.open(port: server.port) { connection in #expect(await connection.rest() == "") }
            try await RawConnection.open(port: server.port) { connection in
                try await connection.send(Self.request())
                #expect(try await connection.response()?.status == 204)
                #expect(await connection.rest() == "")
            }
        }
    }

    @Test("a thousand dripping clients do not keep others from being served", .timeLimit(.minutes(3)))
    func thousandDrips() async throws {
        try await serving(Self.configuration(concurrency: 2)) { (_: PubSubMessage, _) in
        } _: { server in
            try await withThrowingTaskGroup(of: Void.self) { group in
                let open = Recorder<Int>()
                for index in 0..<1000 {
                    group.addTask {
                        try await RawConnection.open(port: server.port) { connection in
                            // Half of them drip their head, the others their body.
                            let request = Self.request()
                            try await connection.send(String(request.prefix(index % 2 == 0 ? 5 : request.count - 20)))
                            open.add(index)
                            while true {
                                try await Task.sleep(for: .seconds(1))
                                try await connection.send("x")
                            }
                        }
                    }
                }
                try await eventually("all have begun") { open.all.count == 1000 }
                for _ in 0..<50 { #expect(try await server.post(Self.push).status == 204) }
                group.cancelAll()
                while let _ = await group.nextResult() {}
            }
        }
    }

    @Test("unfinished requests hold no concurrency slot and no bytes beyond the limit; requests beyond it get 429")
    func bytesInFlight() async throws {
        var configuration = Self.configuration(concurrency: 1)
        configuration.maximumBodyBytesInFlight = 100_000
        try await serving(configuration) { (_: PubSubMessage, _) in
        } _: { server in
            try await RawConnection.open(port: server.port) { unfinished in
                try await unfinished.send("POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 116000\r\n\r\n")
                try await unfinished.send(String(repeating: " ", count: 115_000))
                // The only slot is free, and a short request needs no room.
                try await eventually("its bytes are counted") {
                    let long = #"{"message":{"messageId":"1","data":"\#(String(repeating: "A", count: 24_000))"}}"#
                    return try await server.post(long).status == 429
                }
                #expect(try await server.post(Self.push).status == 204)
            }
            // Its bytes are released.
            let long = #"{"message":{"messageId":"1","data":"\#(String(repeating: "A", count: 80_000))"}}"#
            try await eventually("there is room again") { try await server.post(long).status == 204 }
            for _ in 0..<5 { #expect(try await server.post(long).status == 204) }
        }
    }

    @Test("after the server is told to stop, two hundred requests in flight are all answered, and no connection is accepted")
    func drains() async throws {
        let begun = Recorder<String>()
        let (release, isReleased) = AsyncStream.makeStream(of: Never.self)
        var configuration = Self.configuration(concurrency: 200)
        configuration.drainTime = .seconds(60)
        try await serving(configuration) { (message: PubSubMessage, _) in
            begun.add(message.id)
            for await _ in release {}
        } _: { server in
            try await withThrowingTaskGroup(of: Int.self) { group in
                for index in 0..<200 {
                    group.addTask { try await server.post(#"{"message":{"messageId":"\#(index)"}}"#).status }
                }
                try await eventually("all are in flight") { begun.all.count == 200 }
                await server.stop()
                try await eventually("connections are refused") { (try? await RawConnection.open(port: server.port) { _ in }) == nil }
                isReleased.finish()
                for try await status in group { #expect(status == 204) }
            }
        }
        #expect(begun.all.count == 200)
    }

    @Test("a request unfinished when the drain time is over is canceled and gets 503, even if its body is still being read")
    func drainTime() async throws {
        var configuration = Self.configuration()
        configuration.drainTime = .milliseconds(300)
        let begun = Recorder<String>()
        try await serving(configuration) { (message: PubSubMessage, _) in
            begun.add(message.id)
            try await Task.sleep(for: .seconds(60))
        } _: { server in
            try await RawConnection.open(port: server.port) { reading in
                try await reading.send("POST / HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\ncontent-length: 1\r\n\r\n")
                #expect(try await reading.response()?.status == 100)
                try await RawConnection.open(port: server.port) { handled in
                    try await handled.send(Self.request())
                    try await eventually("the handler was called") { !begun.all.isEmpty }
                    await server.stop()
                    for connection in [reading, handled] {
                        let response = try #require(try await connection.response())
                        #expect(response.status == 503)
                        #expect(response.body.contains("stopping"))
                    }
                }
            }
        }
    }
}

/// Records what a handler saw, from any thread.
final class Recorder<Value: Sendable>: Sendable {
    private let values = Mutex<[Value]>([])
    var all: [Value] { values.withLock { $0 } }
    func add(_ value: Value) { values.withLock { $0.append(value) } }
}
