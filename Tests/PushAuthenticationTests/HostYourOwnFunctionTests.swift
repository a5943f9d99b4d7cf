import FunctionRuntime
import Foundation
import FunctionServer
import HTTPTypes
import PushAuthentication
import Testing

@Suite("The page \"Host your own function\", on callers")
struct CallerCheckPageTests {
    private struct Greeter: FunctionHandler {
        func handle(_ message: PubSubMessage, context: FunctionContext) async throws {}
    }

    /// Compiled only: it would serve.
    private func serve() async throws {
        // page
        let check = PushTokenCheck(audience: "https://greeter.example.com/", serviceAccount: "push@example.iam.gserviceaccount.com")
        let server = FunctionServer(Greeter(), callerCheck: check)
        try await server.runService()
        // end of page
    }

    @Test("shows the lines that are compiled here")
    func lines() throws {
        let file = URL(filePath: #filePath)
        let source = try String(contentsOf: file, encoding: .utf8)
        let code = source.components(separatedBy: "// page\n")[1].components(separatedBy: "        // end of page")[0]
            .replacingOccurrences(of: "        ", with: "")
        let root = file.deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let page = root.appending(path: "Sources/FunctionServer/FunctionServer.docc/HostYourOwnFunction.md")
        #expect(try String(contentsOf: page, encoding: .utf8).contains("```swift\n\(code)```\n"))
    }

    @Test("a caller without a token is rejected")
    func refuses() async {
        let check = PushTokenCheck(audience: "https://greeter.example.com/", serviceAccount: "push@example.iam.gserviceaccount.com")
        let function = InProcessFunction(Greeter(), callerCheck: check)
        #expect(await function.deliver(PubSubMessage(id: "1")).response.status.code == 401)
    }
}
