/// How many calls may be made in any sixty seconds: a state machine over a clock that the caller reads.
///
/// A call takes a place when it begins and gives it back sixty seconds after it ended. Zendesk counts a call somewhere between the two, so
/// whatever sixty seconds it looks at, it counts no more calls than there are places.
///
/// Who waits is let in by the order of arrival; who cannot be let in before the deadline learns it at once. Who has less of a hurry yields: it waits
/// behind everybody else, and until half of the places are free.
///
/// Source: Zendesk API reference, "Rate limits".
struct CallBudget: Sendable {
    static let window = Duration.seconds(60)

    /// What was configured; what Zendesk's headers allow may lower it.
    let configured: Int
    private(set) var limit: Int
    private var running = 0
    /// When the calls of the last sixty seconds ended, in rising order.
    private var ended: [Duration] = []
    private var blockedUntil = Duration.zero
    private var queue: [Place] = []
    private var nextNumber = 0

    struct Place: Equatable {
        fileprivate let number: Int
        fileprivate let yields: Bool
    }

    enum Admission: Equatable {
        case admitted
        /// Ask again after this time.
        case wait(Duration)
    }

    init(perMinute: Int) {
        configured = perMinute
        limit = perMinute
    }

    /// Joins the end of the queue.
    mutating func join(yields: Bool = false) -> Place {
        nextNumber += 1
        let place = Place(number: nextNumber, yields: yields)
        queue.append(place)
        return place
    }

    /// Leaves the queue without a call.
    mutating func giveUp(_ place: Place) { queue.removeAll { $0 == place } }

    /// Begins a call, if it is this place's turn.
    mutating func admit(_ place: Place, now: Duration) -> Admission {
        let ahead = queue.count { $0.yields ? place.yields && $0.number < place.number : place.yields || $0.number < place.number }
        let wait = wait(ahead: place.yields ? ahead + limit / 2 : ahead, now: now)
        guard wait == .zero else { return .wait(wait) }
        giveUp(place)
        running += 1
        return .admitted
    }

    /// How long somebody who came now, and does not yield, would wait.
    mutating func wait(now: Duration) -> Duration { wait(ahead: queue.count { !$0.yields }, now: now) }

    private mutating func wait(ahead: Int, now: Duration) -> Duration {
        ended.removeAll { $0 + Self.window <= now }
        let blocked = max(blockedUntil - now, .zero)
        let missing = running + ended.count + ahead + 1 - limit
        guard missing > 0 else { return blocked }
        // What still runs gives its place back a whole window after it has ended.
        let free = missing <= ended.count ? ended[missing - 1] + Self.window - now : Self.window
        return max(free, blocked)
    }

    mutating func end(now: Duration) {
        running -= 1
        ended.append(now)
    }

    /// Whether Zendesk asked to wait, or nearly all of the account's calls are used.
    func isBlocked(now: Duration) -> Bool { now < blockedUntil }

    /// Lets no call begin before the time is over.
    mutating func block(for duration: Duration, now: Duration) { blockedUntil = max(blockedUntil, now + duration) }

    /// Takes no more than half of what the account has, and stops before the last tenth of it: people and other integrations live on it too.
    mutating func learn(_ window: RateLimitWindow, now: Duration) {
        limit = min(configured, max(1, window.total / 2))
        if let remaining = window.remaining, let resets = window.resets, remaining <= window.total / 10 {
            block(for: resets, now: now)
        }
    }
}

/// What a header says about a limit.
package struct RateLimitWindow: Equatable, Sendable {
    package var total: Int
    package var remaining: Int?
    package var resets: Duration?

    /// The account's limit for requests, in one of the spellings that have been in use.
    package static func account(_ headers: [String: String]) -> RateLimitWindow? {
        func number(_ names: String...) -> Int? { names.lazy.compactMap { headers[$0].flatMap { Int($0) } }.first }
        guard let total = number("ratelimit-limit", "x-rate-limit", "rate-limit"), total > 0 else { return nil }
        return RateLimitWindow(
            total: total,
            remaining: number("ratelimit-remaining", "x-rate-limit-remaining", "rate-limit-remaining"),
            resets: number("ratelimit-reset", "rate-limit-reset").map { .seconds($0) }
        )
    }

    /// The account's limit for ticket updates: `total=100; remaining=99; resets=59`.
    package static func ticketUpdates(_ headers: [String: String]) -> RateLimitWindow? {
        guard let text = headers["zendesk-ratelimit-tickets-update"] ?? headers["zendesk-rate-limit-tickets-update"] else { return nil }
        var numbers: [Substring: Int] = [:]
        for part in text.split(separator: ";") {
            let pair = part.split(separator: "=")
            if pair.count == 2 { numbers[pair[0].drop { $0 == " " }] = Int(pair[1].filter { $0 != " " }) }
        }
        guard let total = numbers["total"], total > 0 else { return nil }
        return RateLimitWindow(total: total, remaining: numbers["remaining"], resets: numbers["resets"].map { .seconds($0) })
    }
}
