import BookingStatusSync
import FunctionRuntime
import Foundation
import HTTPTypes
import Logging
import SpannerChangeStreams
import Zendesk

/// Decode, decide, encode: what the function computes for an event, the same events each time, with
/// no I/O. Its instructions are counted, not its time.
///
///     FixedRun EVENTS
@main
enum FixedRun {
    static func main() throws {
        let events = CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 1000
        let settings = BookingStatusSettings(
            bookingIDField: 1001,
            bookingStatusField: 1002,
            bookingVersionField: 1003,
            tags: ["Tentative": "booking_3_tentative", "Booked": "booking_2_booked"]
        )
        let logger = Logger(label: "fixed") { _ in SwiftLogNoOpLogHandler() }
        let tentative = BookingStatus(name: "Tentative", tag: "booking_3_tentative")
        var written = 0
        for number in 0..<events {
            let message = PubSubMessage(
                id: String(number),
                data: Data(record(number).utf8),
                publishTime: Date(timeIntervalSince1970: 1_795_464_811.535)
            )
            let (head, body) = message.request(as: number.isMultiple(of: 2) ? .push : .binary, topic: "projects/p/topics/t")
            let received = try PubSubMessage(CloudEvent(head, body: body))
            let (changes, _) = try BookingChange.changes(in: DataChangeRecord(json: received.data), settings) {
                ChangeCause(version: $0, isFresh: true, eventID: "1", logger: logger)
            }
            for change in changes {
                let ticket = TicketState(bookingID: change.bookingID, tag: tentative.tag)
                let known = BookingChange(bookingID: change.bookingID, from: .status(tentative), to: change.to, cause: change.cause)
                guard case .write = decide(ticket, known, keepsVersions: true) else { continue }
                let kept = KeptVersion(bookingID: change.bookingID, version: change.version, tag: change.to?.tag)
                let update = TicketUpdate(customFields: [1002: change.to?.tag, 1003: kept.text], updatedStamp: "2026-11-24T02:54:00Z")
                written += try update.json.count
            }
        }
        print("\(events) events, \(written) bytes to write")
    }

    private static func record(_ number: Int) -> String {
        """
        {"commitTimestamp":{"seconds":1795464811,"nanos":535191000},"serverTransactionId":"t\(number)","isLastRecordInTransactionInPartition":true,\
        "recordSequence":"00000000","tableName":"Bookings","rowType":[{"name":"ID","type":{"code":"{\\"code\\":\\"STRING\\"}"},"isPrimaryKey":true,\
        "ordinalPosition":1}],"mods":[{"keysJson":"{\\"ID\\":\\"booking-\(number)\\"}","oldValuesJson":"{\\"Status\\":\\"Tentative\\"}",\
        "newValuesJson":"{\\"Status\\":\\"Booked\\"}"}],"modType":"UPDATE","valueCaptureType":"OLD_AND_NEW_VALUES","numberOfRecordsInTransaction":1,\
        "numberOfPartitionsInTransaction":1,"transactionTag":"","isSystemTransaction":false}
        """
    }
}
