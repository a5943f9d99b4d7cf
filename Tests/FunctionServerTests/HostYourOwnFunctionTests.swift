import CloudEvents
import Foundation
import FunctionServer
import HTTPTypes
import Testing

@testable import Greeter

/// The page's whole package is built outside of the tree by `Tests/System/test_host_your_own.py`.
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

    @Test("an error of a handler's own is 500, and its text is not sent")
    func ownError() async {
        struct OwnError: Error, CustomStringConvertible { let description = "a secret" }
        let function = InProcessFunction { (_: PubSubMessage, _) in throw OwnError() }
        let answer = await function.deliver(PubSubMessage(id: "1"))
        #expect(answer.response.status.code == 500)
        let body = String(decoding: answer.body, as: UTF8.self)
        #expect(body.contains(#""code":"internal""#) && !body.contains("secret"))
    }
}
