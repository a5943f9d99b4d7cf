import FunctionRuntime
import Foundation
import FunctionHosting
import HTTPTypes
import Logging
import Testing

@testable import Greeter

/// `Tests/System/test_host_your_own.py` looks at the page's manifest.
@Suite("The page \"Host your own function\"")
struct HostYourOwnFunctionTests {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../..").standardized

    private func text(_ path: String) throws -> String { try String(contentsOf: Self.root.appending(path: path), encoding: .utf8) }

    /// The code that is compiled here between two marks, without its indentation.
    private func marked(_ path: String) throws -> String {
        let lines = try text(path).components(separatedBy: "\n")
        let marks = lines.indices.filter { lines[$0].hasSuffix("// page") || lines[$0].hasSuffix("// end of page") }
        let indentation = try #require(marks.first.map { lines[$0].prefix { $0 == " " }.count })
        return lines[(marks[0] + 1)..<marks[1]].map { $0.dropFirst(indentation) + "\n" }.joined()
    }

    @Test("shows only code that is compiled here, line by line, and its manifest")
    func code() throws {
        let files = ["Greeter", "Guestbook", "Main", "NewObjects"].map { "Helpers/Greeter/\($0)" } + ["Runtime/GreeterTests/GreeterTests"]
        let parts = ["FunctionHostingTests", "PushAuthenticationTests"].map { "Runtime/\($0)/HostYourOwnFunctionTests" }
        let compiled = try files.map { try text("Tests/\($0).swift") } + parts.map { try marked("Tests/\($0).swift") }
        let page = try text("Sources/Runtime/FunctionHosting/FunctionHosting.docc/HostYourOwnFunction.md")
        let shown = page.components(separatedBy: "```swift\n").dropFirst().map { $0.components(separatedBy: "```\n")[0] }
        #expect(shown.filter { !$0.hasPrefix("// swift-tools-version") }.sorted() == compiled.sorted())
    }

    /// Compiled only: it would serve.
    private func serve() async throws {
        // page
        struct Order: Decodable { let number: Int }
        try await FunctionServer { (order: PubSub<Order>, context) in
            context.logger.info("order \(order.payload.number) in message \(order.message.id)")
        }.runService()
        // end of page
    }

    // README
    @Test("a message without a name can never be processed")
    func nameless() async {
        let answer = await InProcessFunction(Greeter()).deliver(PubSubMessage(id: "1"))
        #expect(answer.response.status == .unprocessableContent)
    }
    // end of README

    @Test("the README shows the handler and the test that are compiled here")
    func readme() throws {
        let page = try text("README.md")
        let greeter = try text("Tests/Helpers/Greeter/Greeter.swift")
        let here = try text("Tests/Runtime/FunctionHostingTests/HostYourOwnFunctionTests.swift")
        let test = here.components(separatedBy: "// README\n")[1].components(separatedBy: "    // end")[0]
            .replacingOccurrences(of: "\n    ", with: "\n").dropFirst(4)
        #expect(page.contains("```swift\n\(greeter)```\n"))
        #expect(page.contains("```swift\n\(test)```\n"))
    }

    @Test("a handler's own error gives 500, and its text is not sent")
    func ownError() async {
        struct OwnError: Error, CustomStringConvertible { let description = "a secret" }
        let function = InProcessFunction { (_: PubSubMessage, _) in throw OwnError() }
        let answer = await function.deliver(PubSubMessage(id: "1"))
        #expect(answer.response.status.code == 500)
        let body = String(decoding: answer.body, as: UTF8.self)
        #expect(body.contains(#""code":"internal""#) && !body.contains("secret"))
    }
}
