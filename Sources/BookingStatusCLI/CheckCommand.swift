import AccountSetup
import ArgumentParser
import BookingStatusSync
import BookingStatusService
import Configuration
import Foundation
import Timing
import Zendesk

struct CheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Check the Zendesk account before the first event.",
        discussion: """
            Reads the function's own environment, and changes nothing. Each finding says what to do. Ends \
            with 0 if nothing would keep the function from its \
            work, else with 1; with 78 if the environment itself is wrong.

            With two tickets it tries what changes in flight can share: it writes their booking version, and \
            puts it back. It says so first; --yes does it.

            Examples:
              bookingstatus check --ticket 4711
              bookingstatus check --ticket 4711 --ticket 4712 --yes
            """
    )

    @Option(
        name: .customLong("ticket"),
        help:
            "An unsolved ticket to try an outdated stamp on, which has to be refused; a second one, of another booking, tries jobs, too."
    )
    var tickets: [Int] = []

    @Flag(name: .customLong("yes"), help: "Write the two tickets' booking version, and put it back.")
    var isMeant = false

    func validate() throws {
        guard tickets.count <= 2, Set(tickets).count == tickets.count else {
            throw ValidationError("--ticket is given at most twice, with two tickets")
        }
    }

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
        guard tickets.count < 2 || !settings.bookingStatus.dryRun else {
            throw Failure("DRY_RUN is set: nothing is written, and so jobs cannot be tried. Unset it, or name one ticket.")
        }
        let findings = try await AccountAccess.withClient(url: settings.zendeskURL, settings.zendeskCredentials) { zendesk in
            let deadline = Deadline(after: .seconds(240), .system)
            let findings = await AccountCheck(zendesk, checked, deadline: deadline).findings(ticket: tickets.first)
            guard tickets.count == 2 else { return findings }
            let trial = SharedCallsTrial(zendesk, checked, tickets: (tickets[0], tickets[1]), deadline: deadline)
            guard isMeant else {
                print("The trial of shared calls would")
                for step in trial.plan { print("  \(step)") }
                print("Nothing was written. Say --yes to do it.")
                return findings
            }
            return findings + (await trial.findings())
        }
        for finding in findings {
            print("\(finding.severity.rawValue.padding(toLength: 8, withPad: " ", startingAt: 0)) \(finding.text)")
            if let advice = finding.advice { print("           \(advice)") }
        }
        guard !findings.contains(where: { $0.severity == .problem }) else { throw ExitCode.failure }
    }
}
