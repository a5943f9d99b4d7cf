import Zendesk

/// The range of updates that the minute sweep has to check, and its progress. Times are in seconds
/// since 1970, by Zendesk's clock.
struct SweepWindow: Equatable, Sendable {
    /// The earliest update to look at.
    private(set) var start: Int64
    /// Where to continue in the list; nil at its top.
    var cursor: String?
    /// The time of the answer at the top. Later updates belong to the next pass.
    private var begin: Int64?

    /// How far a sweep looks back beyond the last complete one. The search index lags, so a change
    /// may miss a ticket younger than this.
    static let length: Int64 = 15 * 60

    init(now: Int64) { start = now - Self.length }

    /// Whether the last pass did not reach the window's start.
    var isCut: Bool { cursor != nil }

    mutating func saw(_ page: TicketPage) { if cursor == nil { begin = page.readings.first?.readAt } }

    mutating func startOver() { (cursor, begin) = (nil, nil) }

    /// Records that everything up to the start has been looked at.
    mutating func finish() {
        if let begin { start = begin - Self.length }
        startOver()
    }
}
