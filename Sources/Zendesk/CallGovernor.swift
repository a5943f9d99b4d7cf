import Synchronization
package import Support

/// Keeps a client's calls within the account's limits. Ticket updates have one budget, all other
/// calls another.
final class CallGovernor: Sendable {
    private let state: Mutex<State>
    private let time: TimeSource

    enum Kind: Hashable { case read, write }

    /// Maximum wait of a low-priority call for its turn.
    private static let patience = Duration.seconds(3)

    private struct State {
        var budgets: [Kind: RateBudget]
        var knowsLimits = false
        /// Start times of the jobs of the last minute.
        var jobs: [Duration] = []
    }

    init(readsPerMinute: Int, writesPerMinute: Int, time: TimeSource) {
        state = Mutex(
            State(budgets: [.read: RateBudget(perMinute: readsPerMinute), .write: RateBudget(perMinute: writesPerMinute)])
        )
        self.time = time
    }

    /// Makes the call when its turn comes.
    ///
    /// - Throws: ``ZendeskError`` of kind `limited`, immediately, if the turn would come after the
    ///   deadline or, at low priority, after more than three seconds.
    func call<Result>(
        _ kind: Kind,
        _ priority: CallPriority,
        before deadline: Deadline,
        _ body: () async throws(ZendeskError) -> Result
    ) async throws(ZendeskError) -> Result {
        let place = withBudget(kind) { budget, _ in budget.join(priority) }
        while true {
            guard case .wait(let wait) = withBudget(kind, { $0.admit(place, now: $1) }) else { break }
            do throws(ZendeskError) {
                guard wait < deadline.remaining, priority != .low || wait <= Self.patience else { throw usedUp(kind, wait) }
                try await time.pause(wait)
            } catch {
                withBudget(kind) { budget, _ in budget.giveUp(place) }
                throw error
            }
        }
        defer { withBudget(kind) { $0.end(place, now: $1) } }
        return try await body()
    }

    /// How many calls can start now.
    func room() -> CallRoom {
        let knowsLimits = state.withLock { $0.knowsLimits }
        let (reads, readsAreRelaxed) = withBudget(.read) { ($0.room(now: $1), $0.isRelaxed(now: $1)) }
        let (writes, limit) = withBudget(.write) { ($0.room(now: $1), $0.limit) }
        return CallRoom(reads: reads, writes: writes, writeLimit: limit, isRelaxed: readsAreRelaxed, isKnown: knowsLimits)
    }

    func beganJob() {
        let now = time.now()
        state.withLock { state in
            state.jobs.removeAll { $0 + RateBudget.window <= now }
            state.jobs.append(now)
        }
    }

    /// The calls used in the last minute.
    func usage() -> CallUsage {
        let (reads, readLimit) = withBudget(.read) { ($0.used(now: $1), $0.limit) }
        let (writes, writeLimit) = withBudget(.write) { ($0.used(now: $1), $0.limit) }
        let now = time.now()
        let jobs = state.withLock { $0.jobs.count { $0 + RateBudget.window > now } }
        return CallUsage(reads: reads, readLimit: readLimit, writes: writes, writeLimit: writeLimit, jobs: jobs)
    }

    /// The error that this many calls would get now; nil if there is room for them.
    func shortage(reads: Int, writes: Int) -> ZendeskError? {
        let (read, write) = (
            withBudget(.read) { $0.wait(for: reads, now: $1) },
            writes > 0 ? withBudget(.write) { $0.wait(for: writes, now: $1) } : .zero
        )
        guard max(read, write) > .zero else { return nil }
        return usedUp(write > read ? .write : .read, max(read, write))
    }

    func learn(_ headers: [String: String]) {
        if let window = RateLimitWindow.account(headers) { withBudget(.read) { $0.learn(window, now: $1) } }
        if let window = RateLimitWindow.ticketUpdates(headers) { withBudget(.write) { $0.learn(window, now: $1) } }
        state.withLock { $0.knowsLimits = true }
    }

    /// Blocks the budgets that a Retry-After covers.
    ///
    /// - Parameter kind: the call's own budget. A 429 blocks it, whatever limit it names. Otherwise
    ///   the call would be repeated at full speed.
    func obey(_ error: ZendeskError, _ kind: Kind) {
        guard let wait = error.retryAfter else { return }
        let blocked: [Kind] =
            switch error.kind {
            case .limited(.account), .unavailable, .outcomeUnknown: [.read, .write]
            case .limited(.ticketUpdates): [.write, kind]
            // The limit of one ticket's updates does not hold back updates of other tickets.
            case .limited(.ticket): kind == .write ? [] : [kind]
            case .limited(.search): [.read, kind]
            default: []
            }
        for kind in blocked { withBudget(kind) { $0.block(for: wait, now: $1) } }
    }

    private func usedUp(_ kind: Kind, _ wait: Duration) -> ZendeskError {
        let (limit, isBlocked) = withBudget(kind) { ($0.limit, $0.isBlocked(now: $1)) }
        let what = kind == .read ? "reads" : "ticket updates"
        let cause = isBlocked ? "Zendesk's limits ask to wait" : "the budget of \(limit) \(what) a minute is used up"
        return ZendeskError(.limited(.account), retryAfter: wait, "\(cause): next in \(wait.components.seconds + 1) s")
    }

    private func withBudget<Result: Sendable>(_ kind: Kind, _ body: (inout RateBudget, Duration) -> Result) -> Result {
        state.withLock { body(&$0.budgets[kind]!, time.now()) }
    }
}

/// How many calls can start now.
package struct CallRoom: Equatable, Sendable {
    package var reads: Int
    package var writes: Int
    /// Ticket updates per minute that the budget allows.
    package var writeLimit: Int
    /// Whether less than a quarter of the budget for reads was used in the last minute.
    package var isRelaxed: Bool
    /// Whether the account's limits are known yet.
    package var isKnown: Bool

    package init(reads: Int, writes: Int, writeLimit: Int, isRelaxed: Bool, isKnown: Bool) {
        self.reads = reads
        self.writes = writes
        self.writeLimit = writeLimit
        self.isRelaxed = isRelaxed
        self.isKnown = isKnown
    }
}

/// The calls of the last minute, including those still running.
package struct CallUsage: Sendable {
    /// All calls except ticket updates. Starting a job counts here.
    package var reads: Int
    /// Limit of these calls per minute.
    package var readLimit: Int
    /// Ticket updates.
    package var writes: Int
    package var writeLimit: Int
    /// Jobs that were started.
    package var jobs: Int
}

extension TimeSource {
    /// Sleeps. Reports a cancellation as a failed call.
    package func pause(_ duration: Duration) async throws(ZendeskError) {
        do {
            try await sleep(duration)
        } catch {
            throw ZendeskError(.cancelled, "cancelled while waiting")
        }
    }
}
