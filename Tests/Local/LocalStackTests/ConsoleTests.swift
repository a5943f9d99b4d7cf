import AsyncHTTPClient
import Foundation
import FunctionRuntime
import Logging
import NIOCore
import NIOHTTP1
import Testing

@testable import LocalStack

@Suite("The console's port")
struct ConsoleTests {
    private struct Answer {
        let status: Int
        let headers: HTTPHeaders
        let body: String
    }

    private func stack(_ body: @Sendable (_ url: String, _ ask: Ask) async throws -> Void) async throws {
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        try await LocalSystem.run(LocalSystem.Configuration(account: LocalAccount.example()), logger: logger) { stack in
            try await body("\(stack.consoleURL)/", Ask())
        }
    }

    /// A request to the console's URL, with fields of its own.
    private struct Ask: Sendable {
        func callAsFunction(_ method: HTTPMethod, _ url: String, _ fields: [String: String] = [:]) async throws -> Answer {
            var request = HTTPClientRequest(url: url)
            request.method = method
            for (name, value) in fields { request.headers.replaceOrAdd(name: name, value: value) }
            if method == .POST { request.body = .bytes(ByteBuffer(string: "{}")) }
            let response = try await HTTPClient.shared.execute(request, timeout: .seconds(20))
            let body = String(buffer: try await response.body.collect(upTo: 1 << 20))
            return Answer(status: Int(response.status.code), headers: response.headers, body: body)
        }
    }

    @Test(
        "another site can reach neither the page nor the push tap, whatever host name it uses",
        arguments: ["", "console/state", "favicon.ico"].map { (HTTPMethod.GET, $0) }
            + ["push/", "push/x", "console/faults"].map { (.POST, $0) }
    )
    func foreign(method: HTTPMethod, path: String) async throws {
        try await stack { url, ask in
            let own = try await ask(method, url + path, ["content-type": "application/json"])
            #expect(own.status != 403)
            for foreign in [["host": "evil.example"], ["origin": "http://evil.example"], ["origin": "null"]] {
                let answer = try await ask(method, url + path, ["content-type": "text/plain"].merging(foreign) { $1 })
                #expect(answer.status == 403)
            }
        }
    }

    @Test(
        "the page cannot be framed or sniffed as another type",
        arguments: ["", "console/console.js", "favicon.ico", "console/state"]
    )
    func headers(path: String) async throws {
        try await stack { url, ask in
            let answer = try await ask(.GET, url + path)
            #expect(answer.status == 200)
            #expect(answer.headers["x-content-type-options"] == ["nosniff"])
            #expect(answer.headers["content-security-policy"].first?.contains("frame-ancestors 'none'") == true)
        }
    }

    @Test("an event that bypassed the broker is timed from its first step, and holds nothing up")
    func sentDirectly() async throws {
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        try await LocalSystem.run(LocalSystem.Configuration(account: LocalAccount.example()), logger: logger) { stack in
            let file = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../../events/2-booked.google.json")
            let sender = EventSender(url: stack.functionURL)
            let sent = try await sender.send(.init(id: "direct", data: Data(contentsOf: file), publishTime: Date()))
            #expect(sent.status == 204)
            try await stack.drained()
            let body = try await Ask()(.GET, "\(stack.consoleURL)/console/state").body
            let state = try #require(try JSONSerialization.jsonObject(with: Data(body.utf8)) as? [String: Any])
            let event = try #require((state["events"] as? [[String: Any]])?.first { $0["id"] as? String == "direct" })
            #expect(event["state"] as? String == "sent directly")
            let times = try #require(event["steps"] as? [[String: Any]]).map { $0["ms"] as? Int }
            #expect(times.first == 0)
            #expect(times.allSatisfy { $0! < 60_000 })
        }
    }

    @Test(
        "a page beyond the end of a list is empty",
        arguments: [
            "tickets.json?page=9223372036854775807", "tickets.json?page=9223372036854775807&per_page=100",
            "views.json?page=9223372036854775807",
            "tickets.json?page%5Bafter%5D=b2Zmc2V0LTkyMjMzNzIwMzY4NTQ3NzU4MDc%3D&page%5Bsize%5D=100",
            "search.json?query=type%3Aticket&page=9223372036854775807", "search.json?query=type%3Aticket&page=-9223372036854775808",
        ]
    )
    func pages(target: String) async throws {
        try await stack { url, ask in
            let answer = try await ask(.GET, "\(url)api/v2/\(target)", ["authorization": "Bearer local"])
            #expect([200, 422].contains(answer.status))
            #expect(try await ask(.GET, "\(url)api/v2/tickets.json", ["authorization": "Bearer local"]).status == 200)
        }
    }
}
