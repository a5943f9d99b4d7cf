import CloudEvents
import Foundation
import FunctionRuntime
import FunctionServer
import Logging

/// A function that does nothing, for what the runtime around it costs.
@main
struct NoopFunction: FunctionHandler {
    func handle(_ message: PubSubMessage, _ context: FunctionContext) {}

    static func main() async throws {
        let logger = Logger(label: "noop") { CloudLogHandler(label: $0) }
        let configuration = FunctionServerConfiguration(
            host: "127.0.0.1",
            port: ProcessInfo.processInfo.environment["PORT"].flatMap { Int($0) } ?? 8080
        )
        try await runUntilSignalled(FunctionServer(NoopFunction(), configuration: configuration, logger: logger), logger: logger)
    }
}
