package import SpannerChangeStreams
package import Timing

/// Where bookings can be read, for the sweep.
package protocol BookingSource: Sendable {
    /// The statuses of bookings as they are now.
    ///
    /// - Parameter ids: a hundred at most, each once. One that the database cannot hold is like one
    ///   that it does not have.
    func read(_ ids: [String], deadline: Deadline) async throws(BookingSourceError) -> BookingReading
}

/// Bookings as they all were at one moment.
package struct BookingReading: Equatable, Sendable {
    /// By booking ID; nil for a booking that is there and has no status.
    package var statuses: [String: String?]
    /// IDs that several rows have: nobody can tell which of them a ticket means.
    package var ambiguous: Set<String>
    /// When they were so, in the database's own time.
    package var readTimestamp: CommitTimestamp

    package init(statuses: [String: String?], ambiguous: Set<String> = [], readTimestamp: CommitTimestamp) {
        self.statuses = statuses
        self.ambiguous = ambiguous
        self.readTimestamp = readTimestamp
    }
}

/// Why bookings cannot be read.
package struct BookingSourceError: Error, Equatable, CustomStringConvertible {
    /// For people, without any secret.
    package var description: String
    /// Whether it will stay like this until a person mends something.
    package var needsPerson: Bool

    package init(_ description: String, needsPerson: Bool = false) {
        self.description = description
        self.needsPerson = needsPerson
    }
}
