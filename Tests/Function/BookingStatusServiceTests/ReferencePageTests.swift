import Support
import BookingStatusService
import Foundation
import TestSupport
import Testing

@testable import BookingStatusSync

/// function/REFERENCE.md against the code.
@Suite("The reference page of settings, answers and outcomes")
struct ReferencePageTests {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../..").standardized

    /// The cells of each row of the table that stands under a heading.
    private func table(_ heading: String) throws -> [[String]] {
        let page = try String(contentsOf: Self.root.appending(path: "function/REFERENCE.md"), encoding: .utf8)
        let section = try #require(page.components(separatedBy: "\n## ").first { $0.hasPrefix(heading) })
        return section.split(separator: "\n").filter { $0.hasPrefix("| ") }.dropFirst().map { row in
            row.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
        }
    }

    private func words(_ cell: String) -> [String] { cell.matches(of: /`([^`]+)`/).map { String($0.output.1) } }

    @Test("lists exactly the variables that are read, with their actual defaults")
    func settings() throws {
        let asked = Locked<Set<String>>([])
        let complete = [
            "ZENDESK_URL": "https://example.zendesk.com", "ZENDESK_CLIENT_ID": "client", "ZENDESK_CLIENT_SECRET": "secret",
            "ZENDESK_BOOKING_ID_FIELD": "1", "ZENDESK_BOOKING_STATUS_FIELD": "2", "BOOKING_STATUS_TAGS": "Booked=booked",
            "SPANNER_DATABASE": "projects/p/instances/i/databases/d",
        ]
        func read(_ variables: [String: String]) throws -> ServiceSettings {
            try ServiceSettings { name in
                asked.withLock { _ = $0.insert(name) }
                return variables[name]
            }
        }
        let settings = try read(complete)
        let rows = try table("Settings")
        #expect(Set(rows.flatMap { words($0[0]) }) == asked.value.filter { !$0.hasSuffix("_FILE") })

        let defaults = rows.filter { $0[1] != "required" && $0[1] != "none" }.map { (words($0[0])[0], $0[1]) }
        #expect(defaults.count > 15)
        #expect(try read(complete.merging(defaults) { $1 }) == settings)
        for row in rows where row[1] == "required" {
            #expect(throws: ConfigurationFaults.self, "\(row[0])") { try read(complete.filter { $0.key != words(row[0])[0] }) }
        }
    }

    @Test("lists every outcome with its answer")
    func outcomes() throws {
        var answers: [String: String] = [:]
        for row in try table("Outcomes") {
            for word in words(row[0]) { answers[word] = row[1] }
        }
        let expected = Outcome.allCases.map { ($0.rawValue, [.done: "204", .tryAgain: "503", .never: "422"][$0.verdict]!) }
        #expect(answers == Dictionary(uniqueKeysWithValues: expected))
    }

    @Test("lists every answer code with its status")
    func answers() throws {
        let source = try String(contentsOf: Self.root.appending(path: "Sources/Runtime/FunctionHosting/Answer.swift"), encoding: .utf8)
        let numbers = [
            "badRequest": "400", "unauthorized": "401", "forbidden": "403", "notFound": "404", "methodNotAllowed": "405",
            "requestTimeout": "408",
            "contentTooLarge": "413", "unsupportedMediaType": "415", "unprocessableContent": "422", "tooManyRequests": "429",
            "internalServerError": "500", "serviceUnavailable": "503", "gatewayTimeout": "504",
        ]
        let coded = source.matches(of: /status: \.(\w+),\s+code: "(\w+)"/).map { "\(numbers[String($0.output.1)] ?? "?") \($0.output.2)" }
        #expect(coded.count == source.matches(of: /code: "/).count)
        #expect(Set(try table("Answers").flatMap { row in words(row[1]).map { "\(row[0]) \($0)" } }) == Set(coded))
    }
}
