/// Limits the calls of any sixty seconds: a state machine over a clock that the caller reads.
///
/// A call takes a place when it begins and gives it back sixty seconds after it ended. Zendesk
/// counts a call somewhere between the two, so no sixty seconds of its own hold more calls than
/// there are places.
///
/// Calls wait by priority, then by the order of their arrival. A call that cannot begin before its
/// deadline fails at once.
///
/// Source: Zendesk API reference, "Rate limits".
struct RateBudget: Sendable {
    static let window = Duration.seconds(60)
    /// The longest time that an answer can block the budget for: a wrong header must not silence an
    /// instance for good.
    static let maximumBlock = Duration.seconds(600)

    /// What was configured; what Zendesk's headers allow may lower it.
    let configured: Int
    private(set) var limit: Int
    private var running = 0
    private var runningLow = 0
    /// The calls of the last sixty seconds, by the time at which they ended.
    private var ended: [(at: Duration, priority: CallPriority)] = []
    private var blockedUntil = Duration.zero
    private var queue: [Place] = []
    private var nextNumber = 0

    struct Place: Equatable {
        fileprivate let number: Int
        let priority: CallPriority
    }

    enum ConcurrencyLimit: Equatable {
        case admitted
        /// Ask again after this time.
        case wait(Duration)
    }

    init(perMinute: Int) {
        configured = perMinute
        limit = perMinute
    }

    /// Joins the queue.
    mutating func join(_ priority: CallPriority = .normal) -> Place {
        nextNumber += 1
        let place = Place(number: nextNumber, priority: priority)
        queue.append(place)
        return place
    }

    /// Leaves the queue without a call.
    mutating func giveUp(_ place: Place) { queue.removeAll { $0 == place } }

    /// Begins a call, if it is this place's turn.
    mutating func admit(_ place: Place, now: Duration) -> ConcurrencyLimit {
        forget(now)
        let promoted = promoted
        func effective(_ place: Place) -> CallPriority { promoted.contains(place.number) ? .normal : place.priority }
        let priority = effective(place)
        let ahead = queue.count { (effective($0), place.number) > (priority, $0.number) }
        let wait = wait(ahead: priority == .low ? ahead + limit / 2 : ahead, now: now)
        guard wait == .zero else { return .wait(wait) }
        giveUp(place)
        running += 1
        if place.priority == .low { runningLow += 1 }
        return .admitted
    }

    /// Low priority leaves half of the places free, but may always use a tenth, in its turn: load
    /// that never ends must not starve it.
    private var promoted: Set<Int> {
        let low = queue.filter { $0.priority == .low }
        guard !low.isEmpty else { return [] }
        return Set(low.prefix(max(0, max(1, limit / 10) - runningLow - ended.count { $0.priority == .low })).map(\.number))
    }

    /// How long until so many calls of normal priority could begin at once; at most as many as
    /// there are places.
    mutating func wait(for places: Int = 1, now: Duration) -> Duration {
        forget(now)
        return wait(ahead: queue.count { $0.priority > .low } + min(places, limit) - 1, now: now)
    }

    /// How many calls of normal priority could begin now.
    mutating func room(now: Duration) -> Int {
        forget(now)
        return isBlocked(now: now) ? 0 : max(0, limit - running - ended.count - queue.count { $0.priority > .low })
    }

    /// How many calls of the last minute there were, with those that still run.
    mutating func used(now: Duration) -> Int {
        forget(now)
        return running + ended.count
    }

    /// Whether less than a quarter of the places were used in the last minute.
    mutating func isRelaxed(now: Duration) -> Bool { used(now: now) * 4 < limit }

    private mutating func forget(_ now: Duration) {
        let first = ended.firstIndex { $0.at + Self.window > now } ?? ended.endIndex
        if first > 0 { ended.removeFirst(first) }
    }

    private func wait(ahead: Int, now: Duration) -> Duration {
        let blocked = max(blockedUntil - now, .zero)
        let missing = running + ended.count + ahead + 1 - limit
        guard missing > 0 else { return blocked }
        // What still runs gives its place back a whole window after it has ended.
        let free = missing <= ended.count ? ended[missing - 1].at + Self.window - now : Self.window
        return max(free, blocked)
    }

    mutating func end(_ place: Place, now: Duration) {
        running -= 1
        if place.priority == .low { runningLow -= 1 }
        ended.append((now, place.priority))
    }

    /// Whether Zendesk asked to wait, or nearly all of the account's calls are used.
    func isBlocked(now: Duration) -> Bool { now < blockedUntil }

    /// Lets no call begin before the time is over, or ten minutes.
    mutating func block(for duration: Duration, now: Duration) {
        blockedUntil = max(blockedUntil, now + min(duration, Self.maximumBlock))
    }

    /// Takes no more than half of what the account has, and stops before its last tenth: people and
    /// other integrations live on it too.
    mutating func learn(_ window: RateLimitWindow, now: Duration) {
        limit = min(configured, max(1, window.total / 2))
        if let remaining = window.remaining, let resets = window.resets, remaining <= window.total / 10 {
            block(for: resets, now: now)
        }
    }
}

/// Which calls go first where places are scarce.
package enum CallPriority: Int, Comparable, Sendable {
    /// Leaves half of the places to others.
    case low
    case normal
    /// Ends what was begun.
    case high

    package static func < (left: CallPriority, right: CallPriority) -> Bool { left.rawValue < right.rawValue }
}
