import ArgumentParser
import Foundation
import LocalStack
import Support

struct EventCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "event",
        abstract: "Print a change record of a booking.",
        discussion: """
            The booking is inserted without --from, deleted without --to, and updated with both.

            Examples:
              bookingstatus event --booking B-1 --from Booked --to InStay | bookingstatus invoke -
              bookingstatus event --booking B-1 --to Tentative --producer mercari --at 2026-11-24T08:00:00.123Z > inserted.json
            """
    )

    @Option(help: "The booking's ID.")
    var booking: String

    @Option(help: "The status before the change.")
    var from: String?

    @Option(help: "The status after the change.")
    var to: String?

    @Option(help: "The record's layout: google or mercari.")
    var producer = RecordLayout.google

    @Option(help: "The commit time, RFC 3339; default: now.")
    var at: String?

    @Option(help: "The transaction's id; default: a random one.")
    var transaction: String?

    func validate() throws {
        guard from != nil || to != nil else { throw ValidationError("give --from, --to, or both") }
        guard at.map({ RFC3339($0) != nil }) ?? true else { throw ValidationError("--at is not an RFC 3339 time") }
    }

    func run() async throws {
        var record = ChangeRecord(
            bookingID: booking,
            from: from,
            to: to,
            committedAt: Date().timeIntervalSince1970,
            transactionID: transaction ?? String(UInt64.random(in: 0...(.max)), radix: 16)
        )
        if let time = at.flatMap({ RFC3339($0) }) { record.commitTimestamp = time }
        FileHandle.standardOutput.write(producer.json(record) + Data("\n".utf8))
    }
}
