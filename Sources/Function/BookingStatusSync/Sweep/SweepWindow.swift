import Zendesk

/// How far back the minute sweep has to look, and how far it has come. Times are in seconds since
/// 1970, by Zendesk's clock.
struct SweepWindow: Equatable, Sendable {
    /// The earliest update to look at.
    private(set) var start: Int64
    /// Where to go on in the list; nil at its top.
    var cursor: String?
    /// The time of the answer at the top. Later updates belong to the next pass.
    private var begin: Int64?

    /// How far a sweep looks back before the last complete one. For that long a change may miss a
    /// new ticket, because the search index lags.
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
