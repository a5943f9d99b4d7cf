import FunctionRuntime
import FunctionHosting
import TestSupport
import Testing

/// Requirements of RFC 9110 and RFC 9112 that the underlying server leaves open.
@Suite("HTTP/1.1 conformance", .timeLimit(.minutes(2)))
struct HTTPConformanceTests {
    private static let body = #"{"message":{"messageId":"7"}}"#

    private static func request(_ line: String = "POST / HTTP/1.1", _ fields: String..., body: String = body) -> String {
        ([line] + fields + ["content-length: \(body.utf8.count)", "", body]).joined(separator: "\r\n")
    }

    /// Sends the text on one connection. Returns everything until the server closes it.
    private func exchange(_ text: String) async throws -> (answer: String, events: [String]) {
        let events = Recorder<String>()
        let answer = Recorder<String>()
        try await serving(.init(host: "127.0.0.1", port: 0, readTimeout: .seconds(30), idleTimeout: .seconds(30))) {
            (message: PubSubMessage, _) in
            events.add(message.id)
        } _: { server in
            try await RawConnection.open(port: server.port) { connection in
                try await connection.send(text)
                answer.add(await connection.rest() ?? "a reset")
            }
        }
        return (answer.all.joined(), events.all)
    }

    @Test(
        "a request to upgrade is answered in HTTP/1.1, and its connection is closed with notice",
        arguments: [
            ["connection: Upgrade, HTTP2-Settings", "upgrade: h2c", "http2-settings: AAMAAABk"],
            ["connection: upgrade", "upgrade: websocket"],
            ["connection: Upgrade", "upgrade: TLS/1.0"],
        ]
    )
    func upgrade(fields: [String]) async throws {
        let request = (["POST / HTTP/1.1", "host: localhost"] + fields + ["content-length: \(Self.body.utf8.count)", "", Self.body])
            .joined(separator: "\r\n")
        let (answer, events) = try await exchange(request + Self.request("POST / HTTP/1.1", "host: localhost"))
        #expect(answer.hasPrefix("HTTP/1.1 204"))
        #expect(answer.lowercased().contains("connection: close"))
        #expect(events == ["7"])
    }

    @Test("an upgrade that the connection's options do not name is ignored")
    func noUpgrade() async throws {
        let first = Self.request("POST / HTTP/1.1", "host: localhost", "upgrade: h2c")
        let (answer, events) = try await exchange(first + Self.request("POST / HTTP/1.1", "host: localhost", "connection: close"))
        #expect(answer.split(separator: "HTTP/1.1 204").count == 2)
        #expect(events == ["7", "7"])
    }

    @Test("CONNECT is refused, and its connection is closed with notice")
    func connect() async throws {
        let (answer, _) = try await exchange("CONNECT example.com:443 HTTP/1.1\r\nhost: example.com:443\r\n\r\n")
        #expect(answer.hasPrefix("HTTP/1.1 405"))
        #expect(answer.lowercased().contains("connection: close"))
    }

    @Test("the answer to HEAD has a content length but no body, so that the next answer is found")
    func head() async throws {
        let next = Self.request("POST / HTTP/1.1", "host: localhost", "connection: close")
        let (answer, events) = try await exchange("HEAD / HTTP/1.1\r\nhost: localhost\r\n\r\n" + next)
        let parts = answer.components("\r\n\r\n")
        #expect(parts.count == 3)
        #expect(parts[0].hasPrefix("HTTP/1.1 405") && parts[0].lowercased().contains("content-length: "))
        #expect(parts[1].hasPrefix("HTTP/1.1 204"))
        #expect(events == ["7"])
    }

    @Test(
        "a request to close the connection is honored, and nothing more is handled",
        arguments: ["close", "Close", "CLOSE", "keep-alive, Close"]
    )
    func close(option: String) async throws {
        let first = Self.request("POST / HTTP/1.1", "host: localhost", "connection: \(option)")
        let (answer, events) = try await exchange(first + Self.request("POST / HTTP/1.1", "host: localhost"))
        #expect(answer.hasPrefix("HTTP/1.1 204"))
        #expect(answer.lowercased().contains("connection: close"))
        #expect(events == ["7"])
    }

    @Test(
        "an HTTP/1.0 request is answered, with or without Host, and its connection is closed",
        arguments: [[], ["host: localhost"], ["host: localhost", "connection: keep-alive"], ["expect: 100-continue"]]
    )
    func oldVersion(fields: [String]) async throws {
        let request = (["POST / HTTP/1.0"] + fields + ["content-length: \(Self.body.utf8.count)", "", Self.body]).joined(separator: "\r\n")
        let (answer, events) = try await exchange(request + request)
        #expect(answer.hasPrefix("HTTP/1.1 204"))
        #expect(answer.lowercased().contains("connection: close"))
        #expect(events == ["7"])
    }

    @Test(
        "an HTTP/1.1 request must name one valid host",
        arguments: [[], ["host: a", "host: a"], ["host: a", "Host: b"], ["host: a b"], ["host: a/b"], ["host: a, b"], ["host: a@b"]]
    )
    func host(fields: [String]) async throws {
        let request = (["POST / HTTP/1.1"] + fields + ["content-length: \(Self.body.utf8.count)", "", Self.body]).joined(separator: "\r\n")
        let (answer, events) = try await exchange(request)
        #expect(answer.hasPrefix("HTTP/1.1 400"))
        #expect(answer.lowercased().contains("connection: close"))
        #expect(events == [])
    }

    @Test(
        "a host may have a port, be an address, or be empty",
        arguments: ["localhost:8080", "127.0.0.1", "[::1]:8080", "a_b.example", ""]
    )
    func goodHost(host: String) async throws {
        let (answer, events) = try await exchange(Self.request("POST / HTTP/1.1", "host: \(host)", "connection: close"))
        #expect(answer.hasPrefix("HTTP/1.1 204"))
        #expect(events == ["7"])
    }

    @Test("a bad second request does not suppress the first one's answer")
    func badSecond() async throws {
        let (answer, events) = try await exchange(Self.request("POST / HTTP/1.1", "host: localhost") + Self.request("POST / HTTP/1.1"))
        #expect(answer.hasPrefix("HTTP/1.1 204"))
        #expect(answer.contains("HTTP/1.1 400"))
        #expect(events == ["7"])
    }

    @Test(
        "a request target may be an absolute URL",
        arguments: [("http://localhost/favicon.ico", 404), ("http://localhost/", 204), ("http://localhost", 204)]
    )
    func absolute(target: String, status: Int) async throws {
        let (answer, _) = try await exchange(Self.request("POST \(target) HTTP/1.1", "host: localhost", "connection: close"))
        #expect(answer.hasPrefix("HTTP/1.1 \(status)"))
    }
}

extension String {
    fileprivate func components(_ separator: String) -> [String] {
        var parts: [String] = []
        var rest = self[...]
        while let range = rest.firstRange(of: separator) {
            parts.append(String(rest[..<range.lowerBound]))
            rest = rest[range.upperBound...]
        }
        return parts + [String(rest)]
    }
}
