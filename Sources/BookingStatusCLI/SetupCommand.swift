import AccountSetup
import ArgumentParser
import BookingStatusService
import BookingStatusSync
import Foundation
import LocalStack
import Timing
import Zendesk

struct SetupCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "setup",
        abstract: "Find or create the ticket fields and the view that the function needs.",
        discussion: """
            Says what it will do first; --yes does it. A second run changes nothing. The credentials come \
            from the environment, as the function's do: \
            ZENDESK_CLIENT_ID and ZENDESK_CLIENT_SECRET, or ZENDESK_ACCESS_TOKEN (or a file, \
            ZENDESK_CLIENT_SECRET_FILE); their owner has to be an \
            administrator for this.

            Examples:
              bookingstatus setup --zendesk https://example.zendesk.com
              bookingstatus setup --zendesk https://example.zendesk.com --yes \\
                --statuses InStay=booking_1_in_stay,Booked=booking_2_booked,CheckedOut=booking_3_checked_out
            """
    )

    @Option(name: .customLong("zendesk"), help: "The account's URL.")
    var url: String

    @Option(help: "Each booking status and the tag of its option, in the order that agents should see: STATUS=TAG,STATUS=TAG.")
    var statuses = LocalAccount.statuses.map { "\($0.status)=\($0.tag)" }.joined(separator: ",")

    @Flag(name: .customLong("yes"), help: "Make the changes.")
    var isMeant = false

    func validate() throws {
        guard ServiceSettings.isSafe(url: url) else {
            throw ValidationError(
                "--zendesk is not an https URL (http is for loopback addresses only): the credentials would be sent in the clear"
            )
        }
    }

    func run() async throws {
        let wanted: WantedAccount
        do {
            wanted = WantedAccount(tags: try StatusTags(statuses))
        } catch {
            throw ValidationError("--statuses \(error)")
        }
        try await AccountAccess.withClient(url: url) { zendesk in
            let setup = AccountSetup(zendesk, wanted, deadline: Deadline(after: .seconds(120), .system))
            let plan: SetupPlan
            do {
                plan = try await setup.plan()
            } catch {
                throw Failure("the account cannot be read: \(error)")
            }
            guard plan.obstacles.isEmpty else {
                throw Failure("this has to be mended first:\n" + plan.obstacles.map { "  - \($0)" }.joined(separator: "\n"))
            }
            guard isMeant || plan.changes.isEmpty else {
                for step in plan.steps { print("  \(step)") }
                print("Nothing was done. Say --yes to do it.")
                return
            }
            let fields: AccountSetup.Fields
            do {
                fields = try await setup.carryOut(plan) { print("  \($0)") }
            } catch {
                throw Failure("stopped: \(error). What was done above stays; run it again to go on.")
            }
            print(
                """
                The function's settings, for a shell:
                export ZENDESK_BOOKING_ID_FIELD=\(fields.bookingID)
                export ZENDESK_BOOKING_STATUS_FIELD=\(fields.bookingStatus)
                export ZENDESK_BOOKING_VERSION_FIELD=\(fields.bookingVersion)
                export BOOKING_STATUS_TAGS='\(wanted.tags.text.replacing("'", with: #"'\''"#))'
                """
            )
        }
    }
}

/// Ends the command with 1 and this message.
struct Failure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
