/// The calls of the last minute, including those still running.
package struct CallUsage: Sendable {
    /// All calls except ticket updates. Starting a job counts here.
    package var reads: Int
    /// Limit of these calls per minute.
    package var readLimit: Int
    /// Ticket updates.
    package var writes: Int
    package var writeLimit: Int
    /// Ticket updates that have a place now, besides those that wait for one.
    package var freeWrites: Int
    /// How long an update would wait for its turn.
    package var writeWait: Duration
    /// Jobs that were started.
    package var jobs: Int
}
