package import Support
import ZendeskSimulator

/// A data change record of a change stream, independent of the stream's reader.
///
/// Source: Cloud Spanner's documentation, "Change streams partitions, records, and queries".
package struct ChangeRecord: Equatable, Sendable {
    package var commitTimestamp: RFC3339
    package var recordSequence = "00000000"
    package var transactionID: String
    package var isLastInTransaction = true
    package var table = "Bookings"
    package var columns = [
        Column(name: "ID", type: #"{"code":"STRING"}"#, isPrimaryKey: true, ordinalPosition: 1),
        Column(name: "Status", type: #"{"code":"STRING"}"#, isPrimaryKey: false, ordinalPosition: 2),
    ]
    package var mods: [Mod]
    /// `INSERT`, `UPDATE` or `DELETE`.
    package var modType: String
    package var valueCaptureType = "OLD_AND_NEW_VALUES"
    package var recordsInTransaction = 1
    package var partitionsInTransaction = 1
    package var transactionTag = ""
    package var isSystemTransaction = false

    package struct Column: Equatable, Sendable {
        package var name: String
        /// The type as JSON text.
        package var type: String
        package var isPrimaryKey: Bool
        package var ordinalPosition: Int
    }

    /// A changed row. All three members are JSON texts with columns by name.
    package struct Mod: Equatable, Sendable {
        package var keys: String
        package var oldValues: String
        package var newValues: String
    }

    /// Seconds since 1970. Spanner has microseconds at most.
    package var committedAt: Double { Double(commitTimestamp.seconds) + Double(commitTimestamp.nanoseconds) / 1_000_000_000 }
}

extension ChangeRecord {
    /// The change of one booking's status.
    ///
    /// - Parameters:
    ///   - from: nil if the row was inserted.
    ///   - to: nil if the row was deleted.
    ///   - committedAt: seconds since 1970.
    package init(bookingID: String, from: String?, to: String?, committedAt: Double, transactionID: String) {
        let microseconds = Int64((committedAt * 1_000_000).rounded(.down))
        func side(_ status: String?) -> String { status.map { Self.text(["Status": .string($0)]) } ?? "{}" }
        self.init(
            commitTimestamp: RFC3339(
                seconds: microseconds / 1_000_000,
                nanoseconds: Int32(microseconds % 1_000_000) * 1000,
                fractionDigits: 6
            ),
            transactionID: transactionID,
            mods: [Mod(keys: Self.text(["ID": .string(bookingID)]), oldValues: side(from), newValues: side(to))],
            modType: from == nil ? "INSERT" : to == nil ? "DELETE" : "UPDATE"
        )
    }
}
