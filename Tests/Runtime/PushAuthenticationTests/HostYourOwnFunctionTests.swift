import FunctionRuntime
import FunctionHosting
import HTTPTypes
import PushAuthentication
import Testing

@Suite("The page \"Host your own function\", on callers")
struct CallerCheckPageTests {
    private struct Greeter: FunctionHandler {
        func handle(_ message: PubSubMessage, context: FunctionContext) async throws {}
    }

    /// Compiled only: it would serve. FunctionServerTests compares it with the page.
    private func serve() async throws {
        // page
        let check = PushTokenCheck(audience: "https://greeter.example.com/", serviceAccount: "push@example.iam.gserviceaccount.com")
        let server = FunctionServer(Greeter(), callerCheck: check)
        try await server.runService()
        // end of page
    }

    @Test("a caller without a token is rejected")
    func refuses() async {
        let check = PushTokenCheck(audience: "https://greeter.example.com/", serviceAccount: "push@example.iam.gserviceaccount.com")
        let function = InProcessFunction(Greeter(), callerCheck: check)
        #expect(await function.deliver(PubSubMessage(id: "1")).response.status.code == 401)
    }
}
