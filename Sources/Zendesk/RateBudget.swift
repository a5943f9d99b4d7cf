/// Limits the calls in any sixty seconds. A state machine: the caller reads the clock.
///
/// A call takes a place when it starts and returns it sixty seconds after its end. Zendesk counts
/// the call at some moment between its start and its end. So no sixty-second window of Zendesk's
/// contains more calls than there are places.
///
/// Calls wait by priority, then in order of arrival. A call that cannot start before its deadline
/// fails immediately.
///
/// Source: Zendesk API reference, "Rate limits".
struct RateBudget: Sendable {
    static let window = Duration.seconds(60)
    /// Maximum time that an answer can block the budget. A wrong header must not silence an
    /// instance forever.
    static let maximumBlock = Duration.seconds(600)

    /// The configured limit. Zendesk's headers can lower the limit in use.
    let configured: Int
    private(set) var limit: Int
    private var running = 0
    private var runningLow = 0
    /// The calls of the last sixty seconds, by end time.
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

    /// Starts a call if it is this place's turn.
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

    /// The low-priority places that currently count as normal. Low priority leaves half of the
    /// places free, but may always use a tenth in its turn, so that constant load does not starve
    /// it.
    private var promoted: Set<Int> {
        let low = queue.filter { $0.priority == .low }
        guard !low.isEmpty else { return [] }
        return Set(low.prefix(max(0, max(1, limit / 10) - runningLow - ended.count { $0.priority == .low })).map(\.number))
    }

    /// Time until this many calls of normal priority could start together. A number above the limit
    /// counts as the limit.
    mutating func wait(for places: Int = 1, now: Duration) -> Duration {
        forget(now)
        return wait(ahead: queue.count { $0.priority > .low } + min(places, limit) - 1, now: now)
    }

    /// How many calls of normal priority can start now.
    mutating func room(now: Duration) -> Int {
        forget(now)
        return isBlocked(now: now) ? 0 : max(0, limit - running - ended.count - queue.count { $0.priority > .low })
    }

    /// The number of calls in the last minute, including those still running.
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
        // A running call returns its place one whole window after its end.
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

    /// Blocks new calls for this time, but at most for ten minutes.
    mutating func block(for duration: Duration, now: Duration) {
        blockedUntil = max(blockedUntil, now + min(duration, Self.maximumBlock))
    }

    /// Uses at most half of the account's limit, and pauses at its last tenth. People and other
    /// integrations share the limit.
    mutating func learn(_ window: RateLimitWindow, now: Duration) {
        limit = min(configured, max(1, window.total / 2))
        if let remaining = window.remaining, let resets = window.resets, remaining <= window.total / 10 {
            block(for: resets, now: now)
        }
    }
}

/// Which calls go first when places are scarce.
package enum CallPriority: Int, Comparable, Sendable {
    /// Leaves half of the places to others.
    case low
    case normal
    /// Completes work in progress.
    case high

    package static func < (left: CallPriority, right: CallPriority) -> Bool { left.rawValue < right.rawValue }
}
