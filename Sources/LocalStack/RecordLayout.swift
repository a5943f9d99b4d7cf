package import FoundationEssentials
import Timestamps
import ZendeskSimulator

/// In whose layout a change record is published.
///
/// Sources: GoogleCloudPlatform/DataflowTemplates, "Spanner change streams to Pub/Sub"; mercari/DataflowTemplate v0.9.0.
package enum RecordLayout: String, CaseIterable, Sendable {
    /// Google's template: timestamps as seconds and nanoseconds, to the microsecond.
    case google
    /// mercari's template: timestamps as RFC 3339, cut to milliseconds.
    case mercari

    /// The record as the producer's JSON.
    package func json(_ record: BookingTable.ChangeRecord) -> Data {
        let modType = record.from == nil ? "INSERT" : record.to == nil ? "DELETE" : "UPDATE"
        let type: (String) -> JSON = { name in
            self == .google ? ["code": .string("{\"code\":\"\(name)\"}")] : "TYPE_CODE_UNSPECIFIED"
        }
        let partition: JSON = "local"
        let time = timestamp(record)
        var members: [JSON.Member] = [
            .init(name: "partitionToken", value: partition),
            .init(name: "commitTimestamp", value: time),
            .init(name: "serverTransactionId", value: .string(record.transactionID)),
            .init(name: "isLastRecordInTransactionInPartition", value: true),
            .init(name: "recordSequence", value: "00000000"),
            .init(name: "tableName", value: "Bookings"),
            .init(
                name: "rowType",
                value: [
                    ["name": "ID", "type": type("STRING"), "isPrimaryKey": true, "ordinalPosition": 1],
                    ["name": "Status", "type": type("STRING"), "isPrimaryKey": false, "ordinalPosition": 2],
                ]
            ),
            .init(
                name: "mods",
                value: [
                    [
                        "keysJson": Self.text(["ID": .string(record.bookingID)]),
                        "oldValuesJson": Self.text(Self.side(record.from)),
                        "newValuesJson": Self.text(Self.side(record.to)),
                    ]
                ]
            ),
            .init(name: "modType", value: .string(modType)),
            .init(name: "valueCaptureType", value: "OLD_AND_NEW_VALUES"),
            .init(name: "numberOfRecordsInTransaction", value: 1),
            .init(name: "numberOfPartitionsInTransaction", value: 1),
        ]
        if self == .google {
            members.append(.init(name: "transactionTag", value: ""))
            members.append(.init(name: "isSystemTransaction", value: false))
        }
        members.append(.init(name: "metadata", value: ["partitionToken": partition, "recordTimestamp": time, "numberOfRecordsRead": 1]))
        return JSON.object(members).data
    }

    private func timestamp(_ record: BookingTable.ChangeRecord) -> JSON {
        let nanoseconds = record.commitMicroseconds * 1000
        switch self {
        case .google: return ["seconds": .int(Int(record.commitSeconds)), "nanos": .int(Int(nanoseconds))]
        case .mercari:
            return .string(RFC3339(seconds: record.commitSeconds, nanoseconds: nanoseconds, fractionDigits: 3).description)
        }
    }

    private static func side(_ status: String?) -> JSON { status.map { ["Status": .string($0)] } ?? [:] }

    private static func text(_ json: JSON) -> JSON { .string(String(decoding: json.data, as: UTF8.self)) }
}
