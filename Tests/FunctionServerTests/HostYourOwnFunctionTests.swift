import FunctionRuntime
import Foundation
import FunctionServer
import HTTPTypes
import Testing

@testable import Greeter

/// `Tests/System/test_host_your_own.py` builds the page's whole package outside the tree.
@Suite("The page \"Host your own function\"")
struct HostYourOwnFunctionTests {
    @Test("shows the code that is compiled here", arguments: ["Greeter", "Main"])
    func snippet(name: String) throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let page = try String(
            contentsOf: root.appending(path: "Sources/FunctionServer/FunctionServer.docc/HostYourOwnFunction.md"),
            encoding: .utf8
        )
        let code = try String(contentsOf: root.appending(path: "Tests/Greeter/\(name).swift"), encoding: .utf8)
        #expect(page.contains("```swift\n\(code)```\n"))
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
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let page = try String(contentsOf: root.appending(path: "README.md"), encoding: .utf8)
        let greeter = try String(contentsOf: root.appending(path: "Tests/Greeter/Greeter.swift"), encoding: .utf8)
        let here = try String(contentsOf: URL(filePath: #filePath), encoding: .utf8)
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
