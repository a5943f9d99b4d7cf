import Foundation
import FunctionHosting
import Logging
import Synchronization
import Testing

@Suite("Cloud Logging's format")
struct CloudLogHandlerTests {
    @Test("a line is one JSON object with Cloud Logging's special fields")
    func json() throws {
        let line = try #require(
            lines(isText: false) { $0.warning("it \"broke\"\n\u{1}", metadata: ["execution_id": "e", "list": ["a", ["b": "c"]]]) }.first
        )
        #expect(line.hasSuffix("}\n") && !line.dropLast().contains("\n"))
        let object = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
        #expect(object["severity"] as? String == "WARNING")
        #expect(object["message"] as? String == "it \"broke\"\n\u{1}")
        #expect(object["logger"] as? String == "test")
        #expect(object["logging.googleapis.com/labels"] as? [String: String] == ["execution_id": "e"])
        #expect(object["execution_id"] as? String == "e")
        #expect((object["list"] as? [Any])?.count == 2)
        #expect((object["time"] as? String)?.hasSuffix("Z") == true)
        let location = try #require(object["logging.googleapis.com/sourceLocation"] as? [String: String])
        #expect(location["file"]?.hasSuffix("CloudLogHandlerTests.swift") == true)
    }

    @Test("a count is a number, so that a filter can compare it")
    func number() throws {
        let line = try #require(
            lines(isText: false) {
                $0.info("x", metadata: ["count": .stringConvertible(12), "share": .stringConvertible(0.5), "id": "12"])
            }.first
        )
        #expect(line.contains(#""count":12,"id":"12","share":"0.5""#))
    }

    @Test(
        "every level has its severity",
        arguments: zip(Logger.Level.allCases, ["DEBUG", "DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL"])
    )
    func severity(level: Logger.Level, severity: String) {
        #expect(lines(isText: false) { $0.log(level: level, "x") }.first?.contains("\"severity\":\"\(severity)\"") == true)
    }

    @Test("the trace is written in Cloud Logging's form and omitted from a line for people")
    func trace() throws {
        let metadata: Logger.Metadata = [
            "logging.googleapis.com/trace": "projects/p/traces/t", "logging.googleapis.com/trace_sampled": "true",
        ]
        let line = try #require(lines(isText: false) { $0.info("x", metadata: metadata) }.first)
        let object = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
        #expect(object["logging.googleapis.com/trace"] as? String == "projects/p/traces/t")
        #expect(object["logging.googleapis.com/trace_sampled"] as? Bool == true)
        #expect(lines(isText: true) { $0.info("x", metadata: metadata) }.first?.hasSuffix(" info x\n") == true)
    }

    @Test("a line for people is plain text")
    func text() {
        let line = lines(isText: true) { $0.info("done", metadata: ["b": "2", "a": "1"]) }.first
        #expect(line?.hasSuffix(" info done a=1 b=2\n") == true)
    }

    @Test("no line is longer than 16 KB, however much is logged, and each is still JSON", arguments: [false, true])
    func longLines(isText: Bool) throws {
        let long = String(repeating: "é\u{1}", count: 20_000)
        let many = Logger.Metadata(uniqueKeysWithValues: (0..<5000).map { ("key-\($0)", "value") })
        let logged = lines(isText: isText) { logger in
            logger.info("\(long)", metadata: ["a": "\(long)", "b": ["\(long)"], "c": ["d": "\(long)"], "count": .stringConvertible(7)])
            logger.info("x", metadata: many)
            logger.info("x", metadata: ["\(long)": "a", "list": .array(Array(repeating: "\(long)", count: 50))])
            logger.error("x", error: LongError(description: long), metadata: [:])
        }
        #expect(logged.count == 4)
        for line in logged {
            #expect(line.utf8.count <= 16 << 10)
            if !isText { _ = try JSONSerialization.jsonObject(with: Data(line.utf8)) }
        }
        let first: String = logged[0]
        if !isText { #expect(first.contains(#""count":7"#)) }
    }

    private struct LongError: Error, CustomStringConvertible { let description: String }

    @Test(
        "terminal control characters are escaped in a line for people",
        arguments: ["\u{1b}[2J", "\r", "\n", "\u{7}", "\u{9b}", "\u{202e}", "\u{2028}", "\u{7f}"]
    )
    func terminal(text: String) {
        let line = lines(isText: true) { $0.info("a\(text)b", metadata: ["c\(text)": "d\(text)e"]) }.first
        let shown = String(line?.dropLast() ?? "")
        #expect(!shown.contains(text))
        #expect(shown.split(separator: "\\u{").count == 4)
    }

    private func lines(isText: Bool, _ body: (Logger) -> Void) -> [String] {
        let lines = Lines()
        var logger = Logger(label: "test") { CloudLogHandler(label: $0, output: LogOutput(isText: isText) { lines.add($0) }) }
        logger.logLevel = .trace
        body(logger)
        return lines.all
    }
}

private final class Lines: Sendable {
    private let lines = Mutex<[String]>([])
    var all: [String] { lines.withLock { $0 } }
    func add(_ line: String) { lines.withLock { $0.append(line) } }
}
