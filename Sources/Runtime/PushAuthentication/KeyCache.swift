/// Caches the issuer's keys and decides when to fetch them. A pure state machine. Its times are
/// durations since some fixed moment.
struct KeyCache<Keys: Sendable>: Sendable {
    /// The minimum time between fetches for unknown keys. Each one causes a request to the issuer,
    /// and a sender of such tokens must not be able to cause many.
    static var minimumTimeBetweenRefetches: Duration { .seconds(60) }
    /// The minimum time between a failed fetch and the next one.
    static var minimumTimeAfterFailure: Duration { .seconds(5) }
    /// Bounds for the lifetime that the issuer gives.
    static var lifetimes: ClosedRange<Duration> { .seconds(60)...(.seconds(86_400)) }
    /// The lifetime if the issuer gives none.
    static var defaultLifetime: Duration { .seconds(300) }

    enum Lookup {
        case found(Keys)
        case unknownKey
        case fetch
        /// The keys could not be fetched, and it is too early to try again.
        case unavailable(after: Duration)
    }

    private var keys: Keys?
    private var ids: Set<String> = []
    private var freshUntil: Duration = .zero
    private var lastAttempt: (at: Duration, hasFailed: Bool)?

    func lookup(_ id: String, at now: Duration) -> Lookup {
        let isFresh = keys != nil && now < freshUntil
        if isFresh, ids.contains(id), let keys { return .found(keys) }
        guard let lastAttempt else { return .fetch }
        let pause = isFresh ? Self.minimumTimeBetweenRefetches : lastAttempt.hasFailed ? Self.minimumTimeAfterFailure : .zero
        let wait = lastAttempt.at + pause - now
        guard wait > .zero else { return .fetch }
        return lastAttempt.hasFailed ? .unavailable(after: wait) : .unknownKey
    }

    /// - Parameter maximumAge: the lifetime in the answer's `Cache-Control`.
    mutating func fetched(_ keys: Keys, ids: Set<String>, maximumAge: Duration?, at now: Duration) {
        self.keys = keys
        self.ids = ids
        freshUntil = now + min(max(maximumAge ?? Self.defaultLifetime, Self.lifetimes.lowerBound), Self.lifetimes.upperBound)
        lastAttempt = (now, false)
    }

    mutating func failed(at now: Duration) { lastAttempt = (now, true) }
}
