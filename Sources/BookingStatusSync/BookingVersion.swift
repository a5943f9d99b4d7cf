package import SpannerChangeStreams

/// Which of a booking's truths a status belongs to: the newer version is the newer truth.
///
/// Source: Spanner's documentation, "Change streams partitions, records, and queries": commit
/// timestamp, transaction and record sequence together order all changes.
package struct BookingVersion: Hashable, Sendable {
    package var commitTimestamp: CommitTimestamp
    /// Orders the records of one transaction.
    package var recordSequence: String
    package var transactionID: String

    package init(commitTimestamp: CommitTimestamp, recordSequence: String, transactionID: String) {
        self.commitTimestamp = commitTimestamp
        self.recordSequence = recordSequence
        self.transactionID = transactionID
    }

    /// How two versions of one booking lie in time.
    package enum Order: Sendable {
        case older, same, newer
        /// Two transactions within one unit of the coarser precision: nobody can tell.
        case unordered
    }

    /// How this version lies to the other: `.older` if this is the older one.
    package func order(to other: BookingVersion) -> Order {
        if let isBefore = commitTimestamp.isBefore(other.commitTimestamp) {
            return isBefore ? .older : .newer
        }
        guard transactionID == other.transactionID else { return .unordered }
        let (left, right) = (Self.significant(recordSequence), Self.significant(other.recordSequence))
        if left == right { return .same }
        return (left.count, left) < (right.count, right) ? .older : .newer
    }

    /// Sequences are zero-padded, to a width that nobody promises.
    private static func significant(_ sequence: String) -> String {
        String(sequence.drop { $0 == "0" })
    }

    /// A total order for lists. Between unordered versions it decides somehow, but always in the
    /// same way.
    func isListed(before other: BookingVersion) -> Bool {
        let times = (commitTimestamp.seconds, commitTimestamp.nanoseconds)
        let otherTimes = (other.commitTimestamp.seconds, other.commitTimestamp.nanoseconds)
        if times != otherTimes { return times < otherTimes }
        if transactionID != other.transactionID { return transactionID < other.transactionID }
        return order(to: other) == .older
    }
}
