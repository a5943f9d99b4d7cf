package import FoundationEssentials
import Support
import ZendeskSimulator

/// The producer whose layout a change record has.
///
/// Sources: GoogleCloudPlatform/DataflowTemplates, "Spanner change streams to Pub/Sub";
/// mercari/DataflowTemplate v0.9.0.
package enum RecordLayout: String, CaseIterable, Sendable {
    /// Google's template: timestamps as seconds and nanoseconds, to the microsecond.
    case google
    /// mercari's template: timestamps as RFC 3339, truncated to milliseconds.
    case mercari

    /// The record as the producer's JSON.
    package func json(_ record: ChangeRecord) -> Data {
        let partition: JSON = "local"
        let time = timestamp(record.commitTimestamp)
        let columns: [JSON] = record.columns.map { column in
            [
                "name": .string(column.name),
                // Google's `code` holds the type as JSON text again. mercari's template looks the
                // type up by that text, and does not find it.
                "type": self == .google ? ["code": .string(column.type)] : "TYPE_CODE_UNSPECIFIED",
                "isPrimaryKey": .bool(column.isPrimaryKey), "ordinalPosition": .int(column.ordinalPosition),
            ]
        }
        let mods: [JSON] = record.mods.map { mod in
            [
                "keysJson": .string(mod.keys), "oldValuesJson": .string(mod.oldValues), "newValuesJson": .string(mod.newValues),
            ]
        }
        var members: [JSON.Member] = [
            .init(name: "partitionToken", value: partition),
            .init(name: "commitTimestamp", value: time),
            .init(name: "serverTransactionId", value: .string(record.transactionID)),
            .init(name: "isLastRecordInTransactionInPartition", value: .bool(record.isLastInTransaction)),
            .init(name: "recordSequence", value: .string(record.recordSequence)),
            .init(name: "tableName", value: .string(record.table)),
            .init(name: "rowType", value: .array(columns)),
            .init(name: "mods", value: .array(mods)),
            .init(name: "modType", value: .string(record.modType)),
            .init(name: "valueCaptureType", value: .string(self == .google ? record.valueCaptureType : "OLD_AND_NEW_VALUES")),
            .init(name: "numberOfRecordsInTransaction", value: .int(record.recordsInTransaction)),
            .init(name: "numberOfPartitionsInTransaction", value: .int(record.partitionsInTransaction)),
        ]
        if self == .google {
            members.append(.init(name: "transactionTag", value: .string(record.transactionTag)))
            members.append(.init(name: "isSystemTransaction", value: .bool(record.isSystemTransaction)))
        }
        members.append(.init(name: "metadata", value: ["partitionToken": partition, "recordTimestamp": time, "numberOfRecordsRead": 1]))
        return JSON.object(members).data
    }

    private func timestamp(_ time: RFC3339) -> JSON {
        switch self {
        case .google: ["seconds": .int(Int(time.seconds)), "nanos": .int(Int(time.nanoseconds))]
        case .mercari: .string(RFC3339(seconds: time.seconds, nanoseconds: time.nanoseconds, fractionDigits: 3).description)
        }
    }
}

extension ChangeRecord {
    static func text(_ json: JSON) -> String { String(decoding: json.data, as: UTF8.self) }
}
