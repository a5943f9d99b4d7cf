import Synchronization
import Support

/// Keeps a client's calls within the account's limits. Ticket updates have one budget, all other
/// calls another. An instance's first call runs alone, because its answer states the limits.
final class CallGovernor: Sendable {
    private let state: Mutex<State>
    private let time: TimeSource

    enum Kind: Hashable { case read, write }

    /// Maximum wait of a low-priority call for its turn.
    private static let patience = Duration.seconds(3)
    /// Polling interval while other calls wait for the first call's answer.
    private static let firstLook = Duration.milliseconds(20)

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

    /// Whether a call can wait this long for its turn.
    static func canWait(_ wait: Duration, _ priority: CallPriority, before deadline: Deadline) -> Bool {
        wait < deadline.remaining && (priority.level > .low || wait <= patience)
    }

    /// Waits for a call's turn.
    ///
    /// - Parameter canWait: whether to wait for the error's `retryAfter`, asked before each wait.
    /// - Throws: ``ZendeskError`` of kind `limited` if the caller cannot wait that long.
    func admit(
        _ kind: Kind,
        _ priority: CallPriority,
        canWait: (ZendeskError) -> Bool
    ) async throws(ZendeskError) -> AdmittedCall {
        let call = withBudget(kind) { budget, _ in budget.join(priority) }
        while case .wait(let wait) = admission(kind, call) {
            do throws(ZendeskError) {
                let refusal = usedUp(kind, wait)
                guard canWait(refusal) else { throw refusal }
                try await time.pause(wait)
            } catch {
                withBudget(kind) { budget, _ in budget.giveUp(call) }
                throw error
            }
        }
        return AdmittedCall { wasMade in self.withBudget(kind) { $0.end(call, wasMade: wasMade, now: $1) } }
    }

    private func admission(_ kind: Kind, _ call: RateBudget.Call) -> RateBudget.Admission {
        let now = time.now()
        return state.withLock { state in
            guard state.knowsLimits || state.budgets.values.allSatisfy({ $0.running == 0 }) else { return .wait(Self.firstLook) }
            return state.budgets[kind]!.admit(call, now: now)
        }
    }

    /// Reserves a place for the reading that follows a search.
    func reserve() -> Reservation {
        withBudget(.read) { budget, _ in budget.reserve() }
        return Reservation { self.withBudget(.read) { budget, _ in budget.release() } }
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
        let (room, wait) = withBudget(.write) { ($0.room(now: $1), $0.wait(now: $1)) }
        let now = time.now()
        let jobs = state.withLock { $0.jobs.count { $0 + RateBudget.window > now } }
        return CallUsage(
            reads: reads,
            readLimit: readLimit,
            writes: writes,
            writeLimit: writeLimit,
            freeWrites: room,
            writeWait: wait,
            jobs: jobs
        )
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
        let (limit, isBlocked, isScarce) = withBudget(kind) { ($0.limit, $0.isBlocked(now: $1), $0.isScarce(now: $1)) }
        let what = kind == .read ? "reads" : "ticket updates"
        let cause =
            isBlocked
            ? "Zendesk's limits require a wait"
            : isScarce
                ? "others use nearly all \(what) that Zendesk allows the account"
                : "the budget of \(limit) \(what) per minute is used up"
        return ZendeskError(.limited(.account), retryAfter: wait, "\(cause): next in \(wait.components.seconds + 1) s")
    }

    private func withBudget<Result: Sendable>(_ kind: Kind, _ body: (inout RateBudget, Duration) -> Result) -> Result {
        state.withLock { body(&$0.budgets[kind]!, time.now()) }
    }
}
