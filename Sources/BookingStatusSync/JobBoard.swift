import Support
import Zendesk

/// Decides which updates share a job, whether jobs can be trusted, and when to poll them. A pure
/// state machine.
///
/// Jobs are trusted once this instance has seen that they honor stamps. A proof job has two items
/// that change nothing: the one with a stale stamp must fail, and the other must succeed. A second
/// proof swaps the two, since a ticket may fail for reasons of its own. The items name no fields.
/// Even if stamps are ignored and the job runs minutes late, it cannot overwrite anything. A job
/// that does not end, or cannot be read, closes jobs for 1, 2, 4 … minutes.
struct JobBoard {
    /// An update that waits for a job or is in one.
    struct Item: Sendable {
        let number: Int
        let ticket: Int
        let update: TicketUpdate
        let priority: CallPriority
        let deadline: Deadline
        let addedAt: Duration
    }

    enum Step: Equatable {
        /// Wait until something is added or this time has passed.
        case wait(Duration?)
        /// No job can take these items, given by number. Update each ticket individually.
        case release([Int])
        /// The deadline of these items has passed.
        case expire([Int])
        case prove
        /// Read the options, then start jobs.
        case begin
        case poll([String])
    }

    private enum Trust: Equatable {
        case unknown
        /// Proven for one ticket with its own stamp and another with a stale one, but not yet with
        /// the two swapped.
        case half(stale: Int, own: Int)
        case proven, refuted
    }

    private struct Job {
        let items: [Item]
        let begunAt: Duration
        let isSwept: Bool
        /// The tickets of a proof: the one with the stale stamp and the one with its own.
        let proof: (stale: Int, own: Int)?
        var pollAt: Duration

        var tickets: [Int] { proof.map { [$0.stale, $0.own] } ?? items.map(\.ticket) }
    }

    private let limits: RoundLimits
    private var trust = Trust.unknown
    private var isDraining = false
    /// Whether jobs are about to start.
    private var isBeginning = false
    private var waiting: [Item] = []
    private var running: [String: Job] = [:]
    /// Tickets of abandoned jobs that may still run, and the time until which no other job takes
    /// them.
    private var abandoned: [Int: Duration] = [:]
    private var closedUntil = Duration.zero
    private var pausedUntil = Duration.zero
    private var failures = 0
    private var nextNumber = 0

    /// Maximum time of a job before it is abandoned.
    private static let patience = Duration.seconds(25)
    /// How long an abandoned job may still run.
    private static let afterlife = Duration.seconds(3600)
    /// Maximum time between the updates of one round.
    private static let togetherness = Duration.milliseconds(50)

    init(limits: RoundLimits) { self.limits = limits }

    // MARK: Waiting

    /// Whether an update of this ticket may wait for a job.
    mutating func takes(_ ticket: Int, _ now: Duration) -> Bool {
        abandoned = abandoned.filter { $0.value > now }
        return isOpen(now) && abandoned[ticket] == nil && !waiting.contains { $0.ticket == ticket }
            && !running.values.contains { $0.tickets.contains(ticket) }
    }

    /// Whether jobs are available, as far as is known.
    func isOpen(_ now: Duration) -> Bool { limits.jobs > 0 && trust != .refuted && !isDraining && now >= closedUntil }

    /// Whether to plan more updates than their budget allows. Until a proof fails, jobs are assumed
    /// to work.
    func isPromising(_ now: Duration) -> Bool { isOpen(now) && (trust == .proven || failures == 0) }

    /// - Returns: the item's number.
    mutating func add(
        _ ticket: Int,
        _ update: TicketUpdate,
        priority: CallPriority,
        deadline: Deadline,
        _ now: Duration
    ) -> Int {
        nextNumber += 1
        waiting.append(
            Item(
                number: nextNumber,
                ticket: ticket,
                update: update,
                priority: priority,
                deadline: deadline,
                addedAt: now
            )
        )
        return nextNumber
    }

    /// Forgets an item that nobody waits for.
    mutating func withdraw(_ number: Int) { waiting.removeAll { $0.number == number } }

    /// Starts no more jobs.
    mutating func drain() { isDraining = true }

    // MARK: Steps

    mutating func next(_ now: Duration) -> Step {
        let due = running.values.contains { $0.pollAt <= now }
        if due { return .poll(running.keys.sorted()) }
        guard !waiting.isEmpty else { return .wait(untilPoll(now)) }
        guard isOpen(now) else { return release() }
        // A proof takes two tickets. A single one waits only for the rest of its round.
        if trust != .proven, !isProving, waiting.count == 1 {
            let wait = waiting[0].addedAt + Self.togetherness - now
            return wait > .zero ? .wait(wait) : release()
        }
        let expired = waiting.filter { $0.deadline.remaining <= .zero }
        guard expired.isEmpty else {
            waiting.removeAll { item in expired.contains { $0.number == item.number } }
            return .expire(expired.map(\.number))
        }
        if now >= pausedUntil {
            if trust != .proven, !isProving { return .prove }
            if trust == .proven, !isBeginning, canBegin {
                isBeginning = true
                return .begin
            }
        }
        let pause = pausedUntil > now ? pausedUntil - now : nil
        return .wait([untilPoll(now), waiting.map(\.deadline.remaining).min(), pause].compactMap(\.self).min())
    }

    private mutating func release() -> Step {
        defer { waiting = [] }
        return .release(waiting.map(\.number))
    }

    private var isProving: Bool { running.values.contains { $0.proof != nil } }

    /// Whether a job can start for the waiting updates. A batch that is too small waits while
    /// another job runs. Sweeps beside live changes have one job.
    private var canBegin: Bool {
        guard running.count < limits.jobs else { return false }
        let live = waiting.count { $0.priority > .low }
        if live >= fewest || (live > 0 && running.values.allSatisfy(\.isSwept)) { return true }
        return live < waiting.count && !running.values.contains(where: \.isSwept)
    }

    private var fewest: Int { min(limits.fewestTicketsPerJob, limits.ticketsPerJob) }

    private func untilPoll(_ now: Duration) -> Duration? { running.values.map { $0.pollAt - now }.min() }

    /// Ends an attempt to start jobs, whether it succeeded or not.
    mutating func endedBeginning() { isBeginning = false }

    /// Takes the updates of the next jobs. Several small jobs run in parallel, since a job
    /// processes its tickets one by one.
    mutating func form() -> [[Item]] {
        guard !isDraining else { return [] }
        var jobs: [[Item]] = []
        for isSwept in [false, true] {
            let places = limits.jobs - running.count - jobs.count
            let free = isSwept ? min(places, running.values.contains(where: \.isSwept) ? 0 : 1) : places
            var items = waiting.filter { ($0.priority == .low) == isSwept }
            let count = min(free, max(1, items.count / fewest))
            guard count > 0 else { continue }
            let size = min(limits.ticketsPerJob, (items.count + count - 1) / count)
            for _ in 0..<count where !items.isEmpty {
                jobs.append(Array(items.prefix(size)))
                items.removeFirst(min(size, items.count))
            }
        }
        for job in jobs { for item in job { withdraw(item.number) } }
        return jobs
    }

    /// The two items of a proof. They keep waiting.
    var proof: (stale: Item, own: Item)? {
        if case .half(let stale, let own) = trust, let first = waiting.first(where: { $0.ticket == own }),
            let second = waiting.first(where: { $0.ticket == stale })
        {
            return (first, second)
        }
        return waiting.count > 1 ? (waiting[0], waiting[waiting.count - 1]) : nil
    }

    // MARK: Jobs

    mutating func begun(_ id: String, _ items: [Item], _ now: Duration) {
        let isSwept = items.allSatisfy { $0.priority == .low }
        running[id] = Job(items: items, begunAt: now, isSwept: isSwept, proof: nil, pollAt: now + Self.expected(items.count))
    }

    /// - Parameters:
    ///   - stale: the ticket with the stale stamp.
    ///   - own: the ticket with its own stamp.
    mutating func begunProof(_ id: String, stale: Int, own: Int, _ now: Duration) {
        running[id] = Job(items: [], begunAt: now, isSwept: false, proof: (stale, own), pollAt: now + Self.expected(2))
    }

    /// Measured: jobs of 100, 50 and 1 tickets took 10, 5 and 2 seconds.
    private static func expected(_ tickets: Int) -> Duration { .seconds(1) + .milliseconds(100) * tickets }

    /// Puts updates back in the queue when a limit keeps their jobs from starting.
    mutating func postpone(_ items: [Item], for wait: Duration, _ now: Duration) {
        waiting = items + waiting
        pausedUntil = now + max(wait, .milliseconds(100))
    }

    /// Records that jobs could not be started.
    ///
    /// - Parameter mayHaveBegun: whether the jobs may run unseen all the same.
    mutating func failed(_ tickets: [Int], mayHaveBegun: Bool, _ now: Duration) {
        if mayHaveBegun { abandon(tickets, now) }
        close(now)
    }

    /// Processes the result of a poll.
    ///
    /// - Returns: the items whose job has ended or was abandoned. Reading their tickets shows the
    ///   results.
    mutating func polled(_ statuses: [JobStatus], _ now: Duration) -> [Item] {
        var done: [Item] = []
        for (id, job) in running {
            let status = statuses.first { $0.id == id }
            if let status, status.isOver {
                running[id] = nil
                if let proof = job.proof { judge(proof, status, now) } else { failures = 0 }
                done += job.items
            } else if now - job.begunAt >= Self.patience {
                running[id] = nil
                abandon(job.tickets, now)
                close(now)
                done += job.items
            } else if job.pollAt <= now {
                running[id]?.pollAt = now + .seconds(1)
            }
        }
        return done.sorted { $0.number < $1.number }
    }

    private mutating func judge(_ proof: (stale: Int, own: Int), _ status: JobStatus, _ now: Duration) {
        func hasSucceeded(_ ticket: Int) -> Bool { status.results.contains { $0.id == ticket && $0.hasSucceeded } }
        switch (hasSucceeded(proof.stale), hasSucceeded(proof.own)) {
        case (true, true): trust = .refuted
        case (false, true) where status.results.count == 2:
            trust = trust == .half(stale: proof.own, own: proof.stale) ? .proven : .half(stale: proof.stale, own: proof.own)
            if trust == .proven { failures = 0 }
        default:
            trust = .unknown
            close(now)
        }
    }

    private mutating func abandon(_ tickets: [Int], _ now: Duration) {
        for ticket in tickets { abandoned[ticket] = now + Self.afterlife }
    }

    private mutating func close(_ now: Duration) {
        closedUntil = now + .seconds(60) * (1 << min(failures, 5))
        failures += 1
    }
}
