import ArgumentParser
import FunctionHosting
import LocalStack
import Logging

struct DemoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo",
        abstract: "Run the whole pipeline in one process, and print the agents' view before and after.",
        discussion: """
            Bookings change in an in-memory table. Their change records are pushed over HTTP to the function, \
            which updates the tickets of a simulated Zendesk over HTTP. Everything listens on free loopback ports. \
            Exits with 0 only if every ticket shows the right status.
            """
    )

    @Flag(help: "Show the function's log.")
    var verbose = false

    func run() async throws {
        var logger = Logger(label: "demo") { CloudLogHandler(label: $0, output: .text) }
        logger.logLevel = verbose ? .info : .error
        guard try await Demo(logger: logger, print: { print($0) }).run() else { throw ExitCode.failure }
    }
}
