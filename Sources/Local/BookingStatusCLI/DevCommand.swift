import ArgumentParser
import Foundation
import FunctionHosting
import LocalStack
import Logging
import UnixSignals
import ZendeskSimulator

struct DevCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dev",
        abstract: "Run the whole pipeline on loopback, with a simulated Zendesk and a console in the browser.",
        discussion: """
            The function and the Zendesk client are the ones used in production. Bookings and messages are kept in \
            memory or, with --google, in Google's Spanner and Pub/Sub emulators. The command starts the emulators, or uses \
            running ones on this machine that SPANNER_EMULATOR_HOST and PUBSUB_EMULATOR_HOST name. (Spanner's REST port \
            must be its gRPC port plus ten, the default.) The function uses half of the account's limits. Ctrl-C stops \
            everything.

            Examples:
              bookingstatus dev
              bookingstatus dev --google --producer mercari
              bookingstatus dev --function http://127.0.0.1:9000    # your own, started with ZENDESK_URL=http://127.0.0.1:8081
            """
    )

    @Flag(help: "Keep bookings and messages in Google's emulators. Requires the Cloud SDK, and the checkout as the current folder.")
    var google = false

    @Option(help: "The layout of change records: google or mercari.")
    var producer = RecordLayout.google

    @Option(help: "The function's port; 0 picks a free one.")
    var port = 8080

    @Option(help: "The port of the console and of Zendesk; 0 picks a free one.")
    var consolePort = 8081

    @Option(name: .customLong("function"), help: "The URL of a function that is already running on this machine.")
    var functionURL: String?

    @OptionGroup
    var account: AccountLimits

    @Option(help: "The maximum number of deliveries before a message becomes a dead letter; only without --google.")
    var attempts = 20

    @Option(help: "Seconds between sweeps of recently updated tickets; 0 turns them off.")
    var sweepSeconds = 10

    @Flag(help: "Do without webhooks: a new ticket waits for the next sweep, as it does with --function.")
    var noWebhooks = false

    @Option(help: "The delay of each of Zendesk's answers, in milliseconds.")
    var delayMs = 0

    @Flag(help: "Start without example bookings and tickets.")
    var empty = false

    @Flag(help: "Show the function's log.")
    var verbose = false

    func validate() throws {
        guard sweepSeconds >= 0 else { throw ValidationError("--sweep-seconds must be 0 or more") }
        guard functionURL.map(LoopbackHTTP.takes) ?? true else {
            throw ValidationError("--function must be the http URL of a loopback address")
        }
        guard delayMs >= 0 else { throw ValidationError("--delay-ms must be 0 or more") }
        guard attempts > 0 else { throw ValidationError("--attempts must be 1 or more") }
    }

    func run() async throws {
        var logger = Logger(label: "dev") { CloudLogHandler(label: $0, output: .text) }
        logger.logLevel = verbose ? .info : .warning
        do {
            try await LocalSystem.run(try stack(), logger: logger) { stack in
                if !empty { try await commitExamples(stack) }
                FileHandle.standardOutput.write(Data(greeting(stack).utf8))
                for await _ in await UnixSignalsSequence(trapping: .sigint, .sigterm) { break }
                print("stopping …")
            }
        } catch let missing as GoogleEmulators.Missing {
            try end(missing.description, 69)
        } catch let taken as PortTaken {
            try end("\(taken) with \(taken.port == port ? "--port" : "--console-port")", 69)
        }
    }

    private func end(_ message: String, _ status: Int32) throws -> Never {
        FileHandle.standardError.write(Data("\(message)\n".utf8))
        throw ExitCode(status)
    }

    private func stack() throws -> LocalSystem.Configuration {
        var zendesk = empty ? LocalAccount.empty() : LocalAccount.example()
        zendesk.limits = account.limits
        var configuration = LocalSystem.Configuration(account: zendesk)
        configuration.layout = producer
        configuration.functionPort = port
        configuration.consolePort = consolePort
        configuration.functionURL = functionURL.map { $0.hasSuffix("/") ? String($0.dropLast()) : $0 }
        configuration.readsPerMinute = account.limits.requests / 2
        configuration.writesPerMinute = account.limits.ticketUpdates / 2
        configuration.push.maximumDeliveryAttempts = attempts
        configuration.delay = .milliseconds(delayMs)
        // A function of one's own may lack the database.
        if noWebhooks || functionURL != nil { configuration.sign = nil }
        configuration.sweepInterval = sweepSeconds > 0 ? .seconds(sweepSeconds) : nil
        guard google else { return configuration }
        // The same files as in production.
        let statements = try ["bookings.sql", "change-stream.sql"].flatMap { name in
            guard let text = try? String(contentsOfFile: "function/spanner/\(name)", encoding: .utf8) else {
                throw ValidationError("function/spanner/\(name) does not exist: run this command in the checkout")
            }
            return SpannerBookings.statements(text)
        }
        configuration.google = .init(statements: statements)
        return configuration
    }

    private func commitExamples(_ stack: LocalSystem) async throws {
        guard try await stack.bookings.statuses().isEmpty else { return }
        let bookings = LocalAccount.exampleBookings
        for (id, status) in [
            (bookings.inHouse, "Booked"), (bookings.left, "InStay"), (bookings.soon, "Tentative"), (bookings.cancelled, "Cancelled"),
        ] {
            _ = try await stack.bookings.commit(id, status)
        }
    }

    private func greeting(_ stack: LocalSystem) -> String {
        """
        console    \(stack.consoleURL)/
        Zendesk    \(stack.consoleURL)/api/v2/ (simulated; Authorization: Bearer \(LocalAccount.accessToken))
        function   \(stack.functionURL)
        bookings and messages: \(stack.parts)

        Open the console and check a guest in, or try
          curl -H 'authorization: Bearer \(LocalAccount.accessToken)' '\(stack.consoleURL)/api/v2/tickets/4.json'
          swift run bookingstatus event --booking \(LocalAccount.exampleBookings.inHouse) --from Booked --to InStay \
          | .build/debug/bookingstatus invoke - --to \(stack.functionURL)
        (A sweep reverts that within seconds: the booking itself did not change.)
        Ctrl-C stops everything.

        """
    }
}

extension RecordLayout: ExpressibleByArgument {}
