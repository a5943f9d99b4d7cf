/// Which of the issuer's keys are known, and when to ask for them: a pure state machine, with
/// moments as time since some fixed one.
struct KeyCache<Keys: Sendable>: Sendable {
    /// An unknown key makes for a request to the issuer; whoever sends such tokens must not be able
    /// to make us send many.
    static var minimumTimeBetweenRefetches: Duration { .seconds(60) }
    /// How long the keys' last failed fetch is believed.
    static var minimumTimeAfterFailure: Duration { .seconds(5) }
    /// Bounds of what the issuer may say.
    static var lifetimes: ClosedRange<Duration> { .seconds(60)...(.seconds(86_400)) }
    /// For an issuer that says nothing.
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

    /// - Parameter maximumAge: what the answer's `Cache-Control` said.
    mutating func fetched(_ keys: Keys, ids: Set<String>, maximumAge: Duration?, at now: Duration) {
        self.keys = keys
        self.ids = ids
        freshUntil = now + min(max(maximumAge ?? Self.defaultLifetime, Self.lifetimes.lowerBound), Self.lifetimes.upperBound)
        lastAttempt = (now, false)
    }

    mutating func failed(at now: Duration) { lastAttempt = (now, true) }
}
