/// One data change record of a Spanner change stream: the rows of one table that one transaction
/// changed in one way.
///
/// Two producers publish it as JSON, in layouts that differ in details: Google's Dataflow template
/// "Spanner change streams to Pub/Sub", and mercari/DataflowTemplate, v0.9.0 up to its last. Only
/// the table, the mod type and the keys are always present. `rowType` and `valueCaptureType` are
/// wrong in some versions, so nothing may depend on them.
///
/// Sources: Spanner's documentation, "Change streams partitions, records, and queries"; apache/beam
/// `DataChangeRecord`; GoogleCloudPlatform/DataflowTemplates
/// `FileFormatFactorySpannerChangeStreams`; mercari/DataflowTemplate `SpannerSource`.
public struct DataChangeRecord: Equatable, Sendable {
    /// The table whose rows changed.
    public var tableName: String
    /// What happened to the rows.
    public var modType: ModType
    /// The rows, at least one.
    public var mods: [Mod]
    /// When the transaction was committed.
    public var commitTimestamp: CommitTimestamp?
    /// Identifies the transaction.
    public var serverTransactionID: String?
    /// Orders the records of one transaction: digits, zero-padded, rising.
    public var recordSequence: String?
    /// What happened to the rows. Spanner documents only these three; a record with another one is
    /// refused.
    public enum ModType: String, Sendable {
        case insert = "INSERT"
        case update = "UPDATE"
        case delete = "DELETE"
    }

    /// One changed row. The stream's value capture type decides which columns the two sides hold. A
    /// side without columns is empty.
    public struct Mod: Equatable, Sendable {
        /// The primary key's columns.
        public var keys: [String: ColumnValue]
        /// Columns before the change.
        public var oldValues: [String: ColumnValue]
        /// Columns after the change.
        public var newValues: [String: ColumnValue]
        /// Whether the record has the old value of any column, kept or not.
        public var hasOldValues: Bool

        /// - Parameters:
        ///   - keys: the primary key's columns.
        ///   - oldValues: columns before the change.
        ///   - newValues: columns after the change.
        ///   - hasOldValues: nil derives it from `oldValues`.
        public init(
            keys: [String: ColumnValue],
            oldValues: [String: ColumnValue] = [:],
            newValues: [String: ColumnValue] = [:],
            hasOldValues: Bool? = nil
        ) {
            self.keys = keys
            self.oldValues = oldValues
            self.newValues = newValues
            self.hasOldValues = hasOldValues ?? !oldValues.isEmpty
        }
    }

    public init(
        tableName: String,
        modType: ModType,
        mods: [Mod],
        commitTimestamp: CommitTimestamp? = nil,
        serverTransactionID: String? = nil,
        recordSequence: String? = nil
    ) {
        self.tableName = tableName
        self.modType = modType
        self.mods = mods
        self.commitTimestamp = commitTimestamp
        self.serverTransactionID = serverTransactionID
        self.recordSequence = recordSequence
    }
}
