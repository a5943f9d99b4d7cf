import Support

/// The commit time of a transaction, with the precision that the record's producer kept.
///
/// Spanner's commit timestamps have microseconds. Google's template keeps them. mercari's truncates
/// them to milliseconds, so two commits in one millisecond look the same. Timestamps are therefore
/// compared at the coarser precision of the two.
public struct CommitTimestamp: Hashable, Sendable {
    /// Whole seconds since 1970-01-01T00:00:00Z.
    public let seconds: Int64
    /// The fraction of the second, 0 to 999,999,999, truncated to the precision.
    public let nanoseconds: Int32
    public let precision: Precision

    /// The unit to which a timestamp is exact. No case will be added: Spanner has no finer
    /// timestamps.
    public enum Precision: Int, CaseIterable, Comparable, Sendable {
        case milliseconds = 3
        case microseconds = 6
        case nanoseconds = 9

        var nanoseconds: Int32 {
            switch self {
            case .milliseconds: 1_000_000
            case .microseconds: 1_000
            case .nanoseconds: 1
            }
        }

        public static func < (left: Precision, right: Precision) -> Bool { left.rawValue < right.rawValue }
    }

    /// Truncates to the precision; never rounds.
    public init(seconds: Int64, nanoseconds: Int32, precision: Precision) {
        self.seconds = seconds
        self.nanoseconds = nanoseconds - nanoseconds % precision.nanoseconds
        self.precision = precision
    }

    /// Reads an RFC 3339 time; nil if the text is not one.
    ///
    /// Up to 3 fraction digits count as milliseconds, since a producer that truncates to
    /// milliseconds may omit zeros. Up to 6 count as microseconds.
    public init?(rfc3339 text: String) {
        guard let time = RFC3339(text) else { return nil }
        self.init(
            seconds: time.seconds,
            nanoseconds: time.nanoseconds,
            precision: time.fractionDigits <= 3 ? .milliseconds : time.fractionDigits <= 6 ? .microseconds : .nanoseconds
        )
    }

    /// RFC 3339 in UTC, with the fraction digits of the precision. Reading it gives the same
    /// timestamp.
    public var rfc3339: String {
        RFC3339(seconds: seconds, nanoseconds: nanoseconds, fractionDigits: precision.rawValue).description
    }

    /// Seconds since 1970, for calculations.
    public var secondsSince1970: Double { Double(seconds) + Double(nanoseconds) / 1_000_000_000 }

    /// Whether this timestamp is earlier than the other, at the coarser precision of the two. Nil
    /// if they are equal at that precision.
    public func isBefore(_ other: CommitTimestamp) -> Bool? {
        let precision = min(precision, other.precision)
        let left = CommitTimestamp(seconds: seconds, nanoseconds: nanoseconds, precision: precision)
        let right = CommitTimestamp(seconds: other.seconds, nanoseconds: other.nanoseconds, precision: precision)
        guard left != right else { return nil }
        return (left.seconds, left.nanoseconds) < (right.seconds, right.nanoseconds)
    }
}
