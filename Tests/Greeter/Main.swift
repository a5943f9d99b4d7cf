import Foundation
import FunctionServer
import Logging

@main
enum Main {
    static func main() async throws {
        let logger = Logger(label: "greeter") { CloudLogHandler(label: $0) }
        let port = ProcessInfo.processInfo.environment["PORT"].flatMap { Int($0) } ?? 8080
        let configuration = FunctionServerConfiguration(port: port)
        try await runUntilSignalled(FunctionServer(Greeter(), configuration: configuration, logger: logger), logger: logger)
    }
}
