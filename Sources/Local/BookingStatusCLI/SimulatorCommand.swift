import ArgumentParser
import Foundation
import FunctionHosting
import LocalStack
import Logging
import ServiceLifecycle
import UnixSignals
import ZendeskSimulator

struct SimulatorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulator",
        abstract: "Run a simulated Zendesk account on loopback.",
        discussion: """
            The account's fields are 1001 (Booking ID), 1002 (Booking status, a drop-down) and 1003 (Booking version), unless the file \
            of tickets names others. The OAuth client is booking-status-sync with the secret local-secret. For requests by hand, \
            send the header "Authorization: Bearer TOKEN".

            Example:
              bookingstatus simulator --port 8081 --tickets events/tickets.json
            """
    )

    @Option(help: "The port to listen on; 0 picks a free one.")
    var port = 8081

    @Option(help: "A JSON file with the account's tickets.")
    var tickets: String?

    @Option(help: "The access token that requests must carry.")
    var token = LocalAccount.accessToken

    @Option(help: "The delay of each answer, in milliseconds.")
    var delayMs = 0

    @OptionGroup
    var limits: AccountLimits

    @OptionGroup
    var behavior: AccountBehavior

    func run() async throws {
        var account = SimulatedZendesk(fields: LocalAccount.fields)
        if let tickets {
            guard let data = FileManager.default.contents(atPath: tickets) else { throw ValidationError("\(tickets) cannot be read") }
            do {
                account = try AccountFile(json: data).account(defaultFields: LocalAccount.fields, now: Date().timeIntervalSince1970)
            } catch {
                throw ValidationError("\(tickets): \(error)")
            }
        }
        account.accessToken = token
        account.limits = limits.limits
        behavior.apply(to: &account)
        account.clients = [LocalAccount.client]
        let logger = Logger(label: "zendesk-simulator") { CloudLogHandler(label: $0, output: .text) }
        let count = account.tickets.count
        let simulator = SimulatorServer(
            account,
            port: port,
            delay: .milliseconds(delayMs),
            logger: logger,
            onListening: { port in
                FileHandle.standardOutput.write(Data("Zendesk simulator with \(count) tickets on http://127.0.0.1:\(port)\n".utf8))
            }
        )
        var quiet = logger
        quiet.logLevel = .notice
        try await ServiceGroup(
            configuration: .init(services: [simulator], gracefulShutdownSignals: [.sigterm, .sigint], logger: quiet)
        ).run()
        let answered = simulator.withAccount { account, _ in account.answered }
        for (kind, count) in answered.sorted(by: { $0.key < $1.key }) { print("answered \(count) x \(kind)") }
    }
}
