/// One data change record of a Spanner change stream: the rows of one table that one transaction
/// changed in one way.
///
/// Two producers publish it as JSON, in layouts that differ in details: Google's Dataflow template
/// "Spanner change streams to Pub/Sub", and mercari/DataflowTemplate, v0.9.0 up to its last. Only
/// the table, the mod type and the keys are there in each of them without fail; `rowType` and
/// `valueCaptureType` are wrong in some versions, so nothing may depend on what they say.
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
    /// What happened to the rows. Spanner documents these three; a record with another one is
    /// refused.
    public enum ModType: String, Sendable {
        case insert = "INSERT"
        case update = "UPDATE"
        case delete = "DELETE"
    }

    /// One changed row. Which columns the two sides hold depends on the stream's value capture
    /// type; a side that holds none is empty.
    public struct Mod: Equatable, Sendable {
        /// The primary key's columns.
        public var keys: [String: ColumnValue]
        /// Columns as they were before.
        public var oldValues: [String: ColumnValue]
        /// Columns as they are now.
        public var newValues: [String: ColumnValue]
        /// Whether the record tells any column as it was before, kept or not.
        public var hasOldValues: Bool

        /// - Parameters:
        ///   - keys: the primary key's columns.
        ///   - oldValues: columns as they were before.
        ///   - newValues: columns as they are now.
        ///   - hasOldValues: nil for whether there are any in `oldValues`.
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
