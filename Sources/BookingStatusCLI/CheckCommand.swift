import AccountSetup
import ArgumentParser
import BookingStatusSync
import BookingStatusService
import Configuration
import Foundation
import Zendesk

struct CheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Look at everything that could be wrong with the Zendesk account before the first event.",
        discussion: """
            Reads the function's own environment, and changes nothing. Each finding says what to do. Ends with 0 if nothing would keep the function from its \
            work, else with 1; with 78 if the environment itself is wrong.

            Example:
              bookingstatus check --ticket 4711
            """
    )

    @Option(help: "An unsolved ticket on which to try an update with an outdated stamp, which has to be refused; nothing on it changes.")
    var ticket: Int?

    func run() async throws {
        let config = ConfigReader(provider: EnvironmentVariablesProvider())
        let settings: ServiceSettings
        do {
            settings = try ServiceSettings(config: config)
        } catch {
            FileHandle.standardError.write(Data("\(error)".utf8))
            throw ExitCode(78)
        }
        guard let tags = try? StatusTags(config.string(forKey: "booking_status_tags") ?? "") else { throw ExitCode(78) }
        let wanted = WantedAccount(tags: tags)
        let checked = CheckedSettings(
            bookingStatus: settings.bookingStatus,
            wanted: wanted,
            readsPerMinute: settings.readsPerMinute,
            writesPerMinute: settings.writesPerMinute
        )
        let findings = try await AccountAccess.withClient(url: settings.zendeskURL, settings.zendeskCredentials) { zendesk in
            await AccountCheck(zendesk, checked, deadline: Deadline(after: .seconds(120), .system)).findings(ticket: ticket)
        }
        for finding in findings {
            print("\(finding.severity.rawValue.padding(toLength: 8, withPad: " ", startingAt: 0)) \(finding.text)")
            if let advice = finding.advice { print("           \(advice)") }
        }
        guard !findings.contains(where: { $0.severity == .problem }) else { throw ExitCode.failure }
    }
}
