package import SpannerChangeStreams
package import Support

/// Reads bookings for the sweep.
package protocol BookingSource: Sendable {
    /// Reads the current statuses of bookings.
    ///
    /// - Parameter ids: at most a hundred, without duplicates. An ID that the database cannot store
    ///   counts as missing.
    func read(_ ids: [String], deadline: Deadline) async throws(BookingSourceError) -> BookingReading
}

/// A consistent reading of bookings at one moment.
package struct BookingReading: Equatable, Sendable {
    /// By booking ID; nil for a booking that exists but has no status.
    package var statuses: [String: String?]
    /// IDs that several rows share. It is unknown which row a ticket means.
    package var ambiguous: Set<String>
    /// The moment of the reading, by the database's clock.
    package var readTimestamp: CommitTimestamp

    package init(statuses: [String: String?], ambiguous: Set<String> = [], readTimestamp: CommitTimestamp) {
        self.statuses = statuses
        self.ambiguous = ambiguous
        self.readTimestamp = readTimestamp
    }
}

/// Why bookings cannot be read.
package struct BookingSourceError: Error, Equatable, CustomStringConvertible {
    /// For people. It contains no secret.
    package var description: String
    /// Whether a person has to fix something first.
    package var needsPerson: Bool

    package init(_ description: String, needsPerson: Bool = false) {
        self.description = description
        self.needsPerson = needsPerson
    }
}
