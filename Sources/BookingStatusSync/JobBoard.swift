import Timing
import Zendesk

/// Which updates go together in a job, whether jobs can be relied on, and when to look at them: a
/// pure state machine.
///
/// Jobs are relied on once this instance has seen that they honor stamps: of two items that change
/// nothing, the one with a stale stamp has to fail and the other one to succeed; and in a second
/// job the other way round, since a ticket may fail for reasons of its own. The items name no field
/// at all: should stamps be ignored, and the job come minutes late, there is nothing that it could
/// overwrite. A job that does not end, or cannot be read, closes jobs for 1, 2, 4 … minutes.
struct JobBoard {
    /// An update that waits for a job, or is in one.
    struct Item: Sendable {
        let number: Int
        let ticket: Int
        let update: TicketUpdate
        let priority: CallPriority
        let deadline: Deadline
        let addedAt: Duration
    }

    enum Step: Equatable {
        /// Nothing to do until something is added; or until this time has passed.
        case wait(Duration?)
        /// No job can be begun for these, by their numbers: they are updates of one ticket each.
        case release([Int])
        /// The time for these is over.
        case expire([Int])
        case prove
        /// Read the options, then begin jobs.
        case begin
        case poll([String])
    }

    private enum Trust: Equatable {
        case unknown
        /// Seen to hold for one ticket with its own stamp and another with a stale one, and not yet
        /// the other way round.
        case half(stale: Int, own: Int)
        case proven, refuted
    }

    private struct Job {
        let items: [Item]
        let begunAt: Duration
        let isSwept: Bool
        /// The tickets of a proof: the one with the stale stamp, and the one with its own.
        let proof: (stale: Int, own: Int)?
        var pollAt: Duration

        var tickets: [Int] { proof.map { [$0.stale, $0.own] } ?? items.map(\.ticket) }
    }

    private let limits: RoundLimits
    private var trust = Trust.unknown
    private var isDraining = false
    /// Jobs are about to be begun.
    private var isBeginning = false
    private var waiting: [Item] = []
    private var running: [String: Job] = [:]
    /// Tickets of jobs that were given up and may still do their work, and until when no other job
    /// takes them.
    private var abandoned: [Int: Duration] = [:]
    private var closedUntil = Duration.zero
    private var pausedUntil = Duration.zero
    private var failures = 0
    private var nextNumber = 0

    /// How long a job may take before it is given up.
    private static let patience = Duration.seconds(25)
    /// For how long a job that was given up may still do its work.
    private static let afterlife = Duration.seconds(3600)
    /// How far apart the updates of one round come.
    private static let togetherness = Duration.milliseconds(50)

    init(limits: RoundLimits) { self.limits = limits }

    // MARK: Waiting

    /// Whether an update of this ticket may wait for a job.
    mutating func takes(_ ticket: Int, _ now: Duration) -> Bool {
        abandoned = abandoned.filter { $0.value > now }
        return isOpen(now) && abandoned[ticket] == nil && !waiting.contains { $0.ticket == ticket }
            && !running.values.contains { $0.tickets.contains(ticket) }
    }

    /// Whether jobs are to be had, as far as is known.
    func isOpen(_ now: Duration) -> Bool { limits.jobs > 0 && trust != .refuted && !isDraining && now >= closedUntil }

    /// Whether more updates may be planned than their budget has places for: until a proof has
    /// failed, that is taken for granted.
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

    /// Forgets an item for which nobody waits.
    mutating func withdraw(_ number: Int) { waiting.removeAll { $0.number == number } }

    /// No job is begun any more.
    mutating func drain() { isDraining = true }

    // MARK: Steps

    mutating func next(_ now: Duration) -> Step {
        let due = running.values.contains { $0.pollAt <= now }
        if due { return .poll(running.keys.sorted()) }
        guard !waiting.isEmpty else { return .wait(untilPoll(now)) }
        guard isOpen(now) else { return release() }
        // A proof takes two tickets. A single one waits only for what comes together with it.
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

    /// Whether there is a place for what waits. What is less than a job is worth waits for one that
    /// runs. Sweeps beside live changes have one job.
    private var canBegin: Bool {
        guard running.count < limits.jobs else { return false }
        let live = waiting.count { $0.priority > .low }
        if live >= fewest || (live > 0 && running.values.allSatisfy(\.isSwept)) { return true }
        return live < waiting.count && !running.values.contains(where: \.isSwept)
    }

    private var fewest: Int { min(limits.fewestTicketsPerJob, limits.ticketsPerJob) }

    private func untilPoll(_ now: Duration) -> Duration? { running.values.map { $0.pollAt - now }.min() }

    /// The jobs that were to be begun have been, or could not.
    mutating func endedBeginning() { isBeginning = false }

    /// Takes the updates of the next jobs: several smaller ones side by side, since a job does its
    /// tickets one after the other.
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

    /// The two items of a proof; they go on waiting.
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

    /// Jobs of 100, 50 and 1 tickets were seen to take 10, 5 and 2 seconds.
    private static func expected(_ tickets: Int) -> Duration { .seconds(1) + .milliseconds(100) * tickets }

    /// A limit keeps jobs from being begun: their updates go on waiting.
    mutating func postpone(_ items: [Item], for wait: Duration, _ now: Duration) {
        waiting = items + waiting
        pausedUntil = now + max(wait, .milliseconds(100))
    }

    /// Jobs could not be begun.
    ///
    /// - Parameter mayHaveBegun: whether these do their work all the same, unseen.
    mutating func failed(_ tickets: [Int], mayHaveBegun: Bool, _ now: Duration) {
        if mayHaveBegun { abandon(tickets, now) }
        close(now)
    }

    /// Takes what a poll showed.
    ///
    /// - Returns: the items whose job is over or was given up: a reading tells what became of them.
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
