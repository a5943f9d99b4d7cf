import Synchronization

/// Keeps a client's calls within what the account allows: one budget for reads, one for ticket updates.
final class CallGovernor: Sendable {
    private let budgets: Mutex<[Kind: CallBudget]>
    private let time: TimeSource

    enum Kind: Hashable { case read, write }

    init(readsPerMinute: Int, writesPerMinute: Int, time: TimeSource) {
        budgets = Mutex([.read: CallBudget(perMinute: readsPerMinute), .write: CallBudget(perMinute: writesPerMinute)])
        self.time = time
    }

    /// Makes the call when it is its turn.
    ///
    /// - Parameter yields: whether it leaves half of the budget to others.
    /// - Throws: ``ZendeskError`` of kind `limited`, at once, if its turn will not come before the deadline.
    func call<Result>(
        _ kind: Kind,
        before deadline: Deadline,
        yields: Bool = false,
        _ body: () async throws(ZendeskError) -> Result
    ) async throws(ZendeskError) -> Result {
        let place = withBudget(kind) { budget, _ in budget.join(yields: yields) }
        while true {
            guard case .wait(let wait) = withBudget(kind, { $0.admit(place, now: $1) }) else { break }
            do throws(ZendeskError) {
                guard wait < deadline.remaining else { throw usedUp(kind, wait) }
                try await time.pause(wait)
            } catch {
                withBudget(kind) { budget, _ in budget.giveUp(place) }
                throw error
            }
        }
        defer { withBudget(kind) { $0.end(now: $1) } }
        return try await body()
    }

    /// - Throws: ``ZendeskError`` of kind `limited` if a call that came now would not have its turn before the deadline.
    func expect(_ kind: Kind, before deadline: Deadline) throws(ZendeskError) {
        let wait = withBudget(kind) { $0.wait(now: $1) }
        guard wait < deadline.remaining else { throw usedUp(kind, wait) }
    }

    func learn(_ headers: [String: String]) {
        if let window = RateLimitWindow.account(headers) { withBudget(.read) { $0.learn(window, now: $1) } }
        if let window = RateLimitWindow.ticketUpdates(headers) { withBudget(.write) { $0.learn(window, now: $1) } }
    }

    /// Obeys a Retry-After.
    func obey(_ error: ZendeskError) {
        guard let wait = error.retryAfter else { return }
        switch error.kind {
        case .limited(.account), .unavailable, .outcomeUnknown:
            for kind in [Kind.read, .write] { withBudget(kind) { $0.block(for: wait, now: $1) } }
        case .limited(.ticketUpdates): withBudget(.write) { $0.block(for: wait, now: $1) }
        case .limited(.search): withBudget(.read) { $0.block(for: wait, now: $1) }
        default: break
        }
    }

    private func usedUp(_ kind: Kind, _ wait: Duration) -> ZendeskError {
        let (limit, isBlocked) = withBudget(kind) { ($0.limit, $0.isBlocked(now: $1)) }
        let what = kind == .read ? "reads" : "ticket updates"
        let cause = isBlocked ? "Zendesk's limits ask to wait" : "the budget of \(limit) \(what) a minute is used up"
        return ZendeskError(.limited(.account), retryAfter: wait, "\(cause): next in \(wait.components.seconds + 1) s")
    }

    private func withBudget<Result: Sendable>(_ kind: Kind, _ body: (inout CallBudget, Duration) -> Result) -> Result {
        budgets.withLock { body(&$0[kind]!, time.now()) }
    }
}

extension TimeSource {
    /// Sleeps, and takes a cancellation for an error of the call.
    package func pause(_ duration: Duration) async throws(ZendeskError) {
        do {
            try await sleep(duration)
        } catch {
            throw ZendeskError(.cancelled, "cancelled while waiting")
        }
    }
}
