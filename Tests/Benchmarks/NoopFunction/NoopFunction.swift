import FunctionRuntime
import FunctionHosting

/// A function that does nothing, for what the runtime around it costs.
@main
enum NoopFunction {
    static func main() async throws {
        try await FunctionServer { (_: PubSubMessage, _) in }.runService()
    }
}
