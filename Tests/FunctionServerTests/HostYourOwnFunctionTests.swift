import CloudEvents
import Foundation
import FunctionServer
import HTTPTypes
import Testing

@testable import Greeter

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

    @Test("says how it is tested")
    func greeter() async {
        let function = InProcessFunction(Greeter())
        let answer = await function.deliver(PubSubMessage(id: "1", attributes: ["name": "world"]))
        #expect(answer.response.status == .noContent)
        #expect(await function.deliver(PubSubMessage(id: "1")).response.status.code == 422)
    }
}
