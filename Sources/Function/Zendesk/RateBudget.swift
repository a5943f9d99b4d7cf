/// Limits the calls in any sixty seconds, and spreads them. A pure state machine; the caller passes
/// the time.
///
/// A call takes a place when it starts and returns it sixty seconds after its end. Zendesk counts
/// the call at some moment between its start and its end. No sixty-second window at Zendesk
/// therefore contains more calls than there are places. Half of the places may be taken at once.
/// The others are spread out until the first ones are returned. Otherwise half a minute without
/// calls would follow a burst.
///
/// Calls wait by priority, then in order of arrival. A search reserves a place for the reading that
/// follows, which only calls of high priority may take.
///
/// Source: Zendesk API reference, "Rate limits".
struct RateBudget: Sendable {
    static let window = Duration.seconds(60)
    /// The time between two calls while others use nearly all of the account's limit. A change
    /// takes up to five calls, so it gets through within ten seconds.
    private static let scarcePace = Duration.seconds(2)
    /// Maximum time that an answer can block the budget. A wrong header must not silence an
    /// instance forever.
    static let maximumBlock = Duration.seconds(600)

    /// The configured limit. Zendesk's headers can lower the limit in use.
    let configured: Int
    private(set) var limit: Int
    private(set) var running = 0
    private var runningLow = 0
    private var reserved = 0
    /// The calls of the last sixty seconds, by end time.
    private var ended: [(at: Duration, level: CallPriority.Level)] = []
    /// Calls that may start at once, as of a time.
    private var burst: (calls: Double, at: Duration)
    private var blockedUntil = Duration.zero
    /// Until when others use nearly all of the account's calls, and when the last call started.
    private var scarceUntil = Duration.zero
    private var startedAt = Duration.zero
    private var queue: [Call] = []
    private var nextNumber = 0

    struct Call: Equatable {
        fileprivate let number: Int
        let priority: CallPriority
    }

    enum Admission: Equatable {
        case admitted
        /// Ask again after this time.
        case wait(Duration)
    }

    init(perMinute: Int) {
        configured = perMinute
        limit = perMinute
        burst = (0, .zero)
        burst.calls = maximumBurst
    }

    private var maximumBurst: Double { max(1, Double(limit) / 2) }

    /// Joins the queue.
    mutating func join(_ priority: CallPriority = .normal) -> Call {
        nextNumber += 1
        let call = Call(number: nextNumber, priority: priority)
        queue.append(call)
        return call
    }

    /// Leaves the queue without a call.
    mutating func giveUp(_ call: Call) { queue.removeAll { $0 == call } }

    /// Starts a call if it is its turn.
    mutating func admit(_ call: Call, now: Duration) -> Admission {
        forget(now)
        let promoted = promoted
        func effective(_ call: Call) -> CallPriority { promoted.contains(call.number) ? .normal : call.priority }
        let priority = effective(call)
        let ahead = queue.count { effective($0) > priority || (effective($0) == priority && $0.number < call.number) }
        let wait = wait(ahead: ahead, priority.level, now)
        guard wait == .zero else { return .wait(wait) }
        giveUp(call)
        running += 1
        startedAt = now
        burst.calls -= 1
        if call.priority.level == .low { runningLow += 1 }
        return .admitted
    }

    /// The calls of low priority that currently count as normal. Low priority leaves half of the
    /// places free, but may always use a tenth in its turn, so that constant load does not starve
    /// it.
    private var promoted: Set<Int> {
        let low = queue.filter { $0.priority.level == .low }
        guard !low.isEmpty else { return [] }
        return Set(low.prefix(max(0, max(1, limit / 10) - runningLow - ended.count { $0.level == .low })).map(\.number))
    }

    /// Time until a call with this many others ahead of it could start.
    private func wait(ahead: Int, _ level: CallPriority.Level, _ now: Duration) -> Duration {
        let isLow = level == .low
        let missing = running + ended.count + (level == .high ? 0 : reserved) + (isLow ? limit / 2 : 0) + ahead + 1 - limit
        // A running call returns its place one whole window after its end.
        let free = missing <= 0 ? .zero : missing <= ended.count ? ended[missing - 1].at + Self.window - now : Self.window
        let lacking = Double(ahead + 1) + (isLow ? maximumBurst / 2 : 0) - burst.calls
        let pace = lacking < 1e-6 ? .zero : max(.milliseconds(1), interval(now) * lacking)
        let scarce = isScarce(now: now) ? startedAt + Self.scarcePace * Double(ahead + 1) - now : .zero
        return max(free, pace, scarce, blockedUntil - now, .zero)
    }

    /// How many calls of normal priority have a place in the window.
    mutating func room(now: Duration) -> Int {
        forget(now)
        return isBlocked(now: now) || isScarce(now: now)
            ? 0 : max(0, limit - running - ended.count - queue.count { $0.priority.level > .low })
    }

    /// How long a call of high priority would wait for its turn.
    mutating func wait(now: Duration) -> Duration {
        forget(now)
        return wait(ahead: queue.count { $0.priority.level == .high }, .high, now)
    }

    /// The number of calls in the last minute, including those still running.
    mutating func used(now: Duration) -> Int {
        forget(now)
        return running + ended.count
    }

    private mutating func forget(_ now: Duration) {
        let first = ended.firstIndex { $0.at + Self.window > now } ?? ended.endIndex
        if first > 0 { ended.removeFirst(first) }
        burst = (min(maximumBurst, burst.calls + (now - burst.at) / interval(now)), now)
    }

    /// The interval for evenly spread calls. The places that a burst has left must last until its
    /// own are returned.
    private func interval(_ now: Duration) -> Duration {
        let even = Self.window / Double(limit)
        let free = limit - running - ended.count
        guard let first = ended.first, free > 0 else { return even }
        return max(.milliseconds(1), (first.at + Self.window - now) / Double(free))
    }

    /// - Parameter wasMade: false if the call was not made after all.
    mutating func end(_ call: Call, wasMade: Bool = true, now: Duration) {
        running -= 1
        if call.priority.level == .low { runningLow -= 1 }
        if wasMade { ended.append((now, call.priority.level)) } else { burst.calls += 1 }
    }

    mutating func reserve() { reserved += 1 }
    mutating func release() { reserved -= 1 }

    /// Whether others use nearly all of the account's calls.
    func isScarce(now: Duration) -> Bool { now < scarceUntil }

    /// Whether Zendesk asked to wait, or all of the account's calls are used.
    func isBlocked(now: Duration) -> Bool { now < blockedUntil }

    /// Blocks new calls for this time, but at most for ten minutes.
    mutating func block(for duration: Duration, now: Duration) {
        blockedUntil = max(blockedUntil, now + min(duration, Self.maximumBlock))
    }

    /// Adapts to the account's limit: uses at most half of it, and little of its last tenth. People
    /// and other integrations share the limit, and one of them may use nearly all of it for hours.
    ///
    /// Source: airbytehq/airbyte#11899.
    mutating func learn(_ window: RateLimitWindow, now: Duration) {
        forget(now)
        let spent = maximumBurst - burst.calls
        limit = min(configured, max(1, window.total / 2))
        burst.calls = maximumBurst - spent
        if let remaining = window.remaining, let resets = window.resets, remaining <= window.total / 10 {
            if remaining > 0 {
                scarceUntil = now + min(resets, Self.maximumBlock)
            } else {
                block(for: resets, now: now)
            }
        }
    }
}
