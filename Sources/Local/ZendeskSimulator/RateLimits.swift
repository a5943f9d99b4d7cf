/// The account's rate limits.
///
/// Source: Zendesk API reference, "Rate limits".
package struct RateLimits: Equatable, Sendable {
    /// Requests per minute.
    package var requests = 700
    /// Ticket updates per minute.
    package var ticketUpdates = 100
    /// Updates of one ticket in ten minutes.
    package var updatesOfOneTicket = 30

    package init() {}
}

/// Counts events in a window of fixed length. The first event opens the window.
struct RateWindow: Sendable {
    private let length: Double
    private var end: Double?
    private(set) var count = 0

    init(length: Double) { self.length = length }

    /// Counts one more event. Returns false if the limit is reached.
    mutating func take(limit: Int, now: Double) -> Bool {
        if end.map({ now >= $0 }) ?? true {
            end = now + length
            count = 0
        }
        guard count < limit else { return false }
        count += 1
        return true
    }

    /// The count of the open window; 0 if none is open.
    func used(now: Double) -> Int { end.map { now < $0 } ?? false ? count : 0 }

    /// Whole seconds until the window ends.
    func resets(now: Double) -> Int { end.map { max(1, Int(($0 - now).rounded(.up))) } ?? Int(length) }
}
