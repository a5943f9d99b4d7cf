package import SpannerChangeStreams

/// The position of a status in its booking's history. A newer version supersedes an older one.
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

    /// The chronological order of two versions of one booking.
    package enum Order: Sendable {
        case older, same, newer
        /// Two transactions within one unit of the coarser precision, which cannot be ordered.
        case unordered
    }

    /// Compares this version with another. Returns `.older` if this is the older one.
    package func order(to other: BookingVersion) -> Order {
        if let isBefore = commitTimestamp.isBefore(other.commitTimestamp) {
            return isBefore ? .older : .newer
        }
        guard transactionID == other.transactionID else { return .unordered }
        let (left, right) = (Self.significant(recordSequence), Self.significant(other.recordSequence))
        if left == right { return .same }
        return (left.count, left) < (right.count, right) ? .older : .newer
    }

    /// Removes the zero padding of a sequence. Its width is not documented.
    private static func significant(_ sequence: String) -> String {
        String(sequence.drop { $0 == "0" })
    }

    /// A total order for lists. The order of unordered versions is arbitrary but stable.
    func isListed(before other: BookingVersion) -> Bool {
        let times = (commitTimestamp.seconds, commitTimestamp.nanoseconds)
        let otherTimes = (other.commitTimestamp.seconds, other.commitTimestamp.nanoseconds)
        if times != otherTimes { return times < otherTimes }
        if transactionID != other.transactionID { return transactionID < other.transactionID }
        return order(to: other) == .older
    }
}
