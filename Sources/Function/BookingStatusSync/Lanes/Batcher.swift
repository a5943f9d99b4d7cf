import HeapModule
import Synchronization
import Support
import Zendesk

/// Combines the requests of many tasks into one call.
///
/// While a call runs, requests for the next one gather. A batch is formed when the budget admits
/// its call, with the most urgent requests first, so batches are fuller when calls are scarce. It
/// runs until its latest deadline. A request that reaches its own deadline fails alone.
final class Batcher<Request: Sendable, Answer: Sendable>: Sendable {
    typealias Reply = Result<Answer, ZendeskError>
    typealias Admission = @Sendable (CallPriority, _ canWait: (ZendeskError) -> Bool) async throws(ZendeskError) -> AdmittedCall

    struct Batch: Sendable {
        var requests: [Request]
        /// The admitted call, with the highest priority and the latest deadline of the requests.
        var options: CallOptions
    }

    /// How batches form.
    struct Policy: Sendable {
        /// Maximum requests in a batch.
        var size: @Sendable () -> Int
        /// A batch of this size starts at once; nil requires a full one. Waiting requests are
        /// spread over the free places, but not in smaller batches.
        var enough: Int?
        /// How long a smaller batch waits for company.
        var pause: @Sendable () -> Duration = { .milliseconds(20) }
        /// Whether no other request can join, so that a batch need not wait.
        var isAlone: @Sendable () -> Bool = { false }
        /// Maximum batches at once.
        var width: @Sendable () -> Int = { 4 }
        /// How long a running batch holds back a smaller one. One that hangs must not stop others.
        var patience = Duration.seconds(1)
    }

    private let policy: Policy
    private let admit: Admission
    private let perform: @Sendable (Batch) async -> [Reply]
    private let scope: TaskScope
    private let time: TimeSource
    private let state = Mutex(State())

    fileprivate struct Member: Comparable {
        let group: Int
        let index: Int
        let priority: CallPriority
        let number: Int

        static func == (left: Member, right: Member) -> Bool { left.number == right.number }
        /// The least is the most urgent.
        static func < (left: Member, right: Member) -> Bool {
            left.priority > right.priority || (left.priority == right.priority && left.number < right.number)
        }
    }

    /// The requests of one task.
    fileprivate struct Group {
        let requests: [Request]
        let options: CallOptions
        var replies: [Reply?]
        var open: Int
        /// Requests that are in no batch yet.
        var waiting: Int
        var continuation: CheckedContinuation<[Reply], Never>?

        var isDone: Bool { open == 0 }
    }

    fileprivate struct Due: Comparable {
        let at: Duration
        let group: Int

        static func < (left: Due, right: Due) -> Bool { (left.at, left.group) < (right.at, right.group) }
    }

    fileprivate enum Timer { case pause, deadline }

    fileprivate struct State {
        var groups: [Int: Group] = [:]
        var waiting = Heap<Member>()
        /// The number of members in `waiting` whose group is still open.
        var count = 0
        var deadlines = Heap<Due>()
        /// When the current wait began: the arrival of the first request, or the last batch.
        var since = Duration.zero
        /// The levels of batches whose calls wait for admission.
        var asked: [CallPriority.Level] = []
        /// When the running batches began.
        var running: [Int: Duration] = [:]
        var next = 0
        /// The next wake-up for each of the two reasons.
        var timers: [Timer: (id: Int, at: Duration)] = [:]
        var batches = 0
        var batched = 0
        var steps = 0

        var tally: BatchTally {
            BatchTally(waiting: count, batches: batches, requests: batched, steps: steps)
        }

        mutating func number() -> Int {
            next += 1
            return next
        }
    }

    init(
        _ policy: Policy,
        scope: TaskScope,
        time: TimeSource,
        admit: @escaping Admission,
        perform: @escaping @Sendable (Batch) async -> [Reply]
    ) {
        self.policy = policy
        self.scope = scope
        self.time = time
        self.admit = admit
        self.perform = perform
    }

    /// Counts of the finished and the waiting requests.
    var tally: BatchTally { state.withLock(\.tally) }

    // MARK: Requests

    func ask(_ request: Request, _ options: CallOptions) async throws(ZendeskError) -> Answer {
        try await ask([request], options)[0].get()
    }

    /// - Returns: a reply to each request.
    func ask(_ requests: [Request], _ options: CallOptions) async -> [Reply] {
        guard !requests.isEmpty else { return [] }
        let id = add(requests, options)
        pump()
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let replies: [Reply]? = state.withLock { state in
                    guard let group = state.groups[id]!.isDone ? state.groups.removeValue(forKey: id) : nil else {
                        state.groups[id]!.continuation = continuation
                        return nil
                    }
                    return group.replies.map { $0! }
                }
                if let replies { continuation.resume(returning: replies) }
            }
        } onCancel: {
            leave(id, ZendeskError(.cancelled, "cancelled while waiting for a shared call"))
        }
    }

    private func add(_ requests: [Request], _ options: CallOptions) -> Int {
        let now = time.now()
        return state.withLock { state in
            let id = state.number()
            if state.count == 0 { state.since = now }
            for index in requests.indices {
                state.waiting.insert(Member(group: id, index: index, priority: options.priority, number: state.number()))
            }
            state.count += requests.count
            state.steps += requests.count
            state.deadlines.insert(Due(at: now + options.deadline.remaining, group: id))
            state.groups[id] = Group(
                requests: requests,
                options: options,
                replies: Array(repeating: nil, count: requests.count),
                open: requests.count,
                waiting: requests.count
            )
            return id
        }
    }

    /// Gives all open requests of a task the same reply.
    private func leave(_ id: Int, _ error: ZendeskError) {
        resume([state.withLock { $0.leave(id, error) }])
    }

    fileprivate typealias Released = (continuation: CheckedContinuation<[Reply], Never>, replies: [Reply])?

    private func resume(_ released: [Released]) {
        for case .some((let continuation, let replies)) in released { continuation.resume(returning: replies) }
    }

    // MARK: Batches

    fileprivate enum Step {
        case ask(CallPriority.Level)
        case wake(after: Duration, Timer, id: Int)
        case wait
    }

    /// Starts what can start now.
    func pump() {
        while true {
            let now = time.now()
            resume(state.withLock { $0.expire(now) })
            switch state.withLock({ $0.next(policy, now) }) {
            case .wait: return
            case .ask(let level): guard scope.start({ await self.run(level) }) else { return fail() }
            case .wake(let wait, let timer, let id):
                guard scope.start({ await self.wake(after: wait, timer, id) }) else { return fail() }
            }
        }
    }

    private func wake(after wait: Duration, _ timer: Timer, _ id: Int) async {
        try? await time.sleep(wait)
        // An earlier one may have taken its place.
        let isCurrent = state.withLock { state in
            guard state.timers[timer]?.id == id else { return false }
            state.timers[timer] = nil
            return true
        }
        if isCurrent { pump() }
    }

    /// Fails all requests, because no task runs the batches.
    private func fail() {
        let error = ZendeskError(.cancelled, "the handler is not running")
        resume(
            state.withLock { state in
                (state.asked, state.timers) = ([], [:])
                return state.groups.keys.sorted().map { state.leave($0, error) }
            }
        )
    }

    private func run(_ level: CallPriority.Level) async {
        var batch: (members: [Member], id: Int, batch: Batch)?
        do throws(ZendeskError) {
            let priority = state.withLock { $0.waiting.min?.priority } ?? CallPriority(level: level, turn: 0)
            let call = try await admit(priority.level == level ? priority : CallPriority(level: level, turn: 0)) { refusal in
                let (released, isWanted) = state.withLock { ($0.refuse(refusal, level), $0.count > 0) }
                resume(released)
                return isWanted
            }
            batch = state.withLock { $0.form(call, level, policy, time.now()) }
        } catch {
            state.withLock { $0.ended(asking: level) }
        }
        if let batch {
            // Other batches may start beside this one.
            pump()
            let replies = await perform(batch.batch)
            let released = state.withLock { state in
                state.running[batch.id] = nil
                return zip(batch.members, replies).map { state.reply($1, to: $0) }
            }
            resume(released)
        }
        pump()
    }
}

extension Batcher.State {
    mutating func reply(_ reply: Batcher.Reply, to member: Batcher.Member) -> Batcher.Released {
        guard groups[member.group]?.replies[member.index] == nil, groups[member.group] != nil else { return nil }
        steps += 1
        groups[member.group]!.replies[member.index] = reply
        groups[member.group]!.open -= 1
        return released(member.group)
    }

    private mutating func released(_ id: Int) -> Batcher.Released {
        guard let group = groups[id], group.isDone, let continuation = group.continuation else { return nil }
        groups[id] = nil
        return (continuation, group.replies.map { $0! })
    }

    mutating func leave(_ id: Int, _ error: ZendeskError) -> Batcher.Released {
        guard var group = groups[id], !group.isDone else { return nil }
        for index in group.replies.indices where group.replies[index] == nil { group.replies[index] = .failure(error) }
        count -= group.waiting
        (group.open, group.waiting) = (0, 0)
        groups[id] = group
        steps += group.replies.count
        // Requests whose task has left must not pile up.
        if waiting.count > 2 * count + 64 {
            steps += waiting.count
            waiting = Heap(waiting.unordered.filter { groups[$0.group]?.isDone == false })
        }
        return released(id)
    }

    /// Ends the requests whose deadline has passed.
    mutating func expire(_ now: Duration) -> [Batcher.Released] {
        var released: [Batcher.Released] = []
        while let due = deadlines.min, groups[due.group] == nil || due.at <= now {
            deadlines.removeMin()
            steps += 1
            if groups[due.group] != nil {
                released.append(leave(due.group, ZendeskError(.timeIsUp, "no time is left for a call to Zendesk")))
            }
        }
        return released
    }

    /// Refuses requests that cannot wait for a batch of this level. More urgent requests have their
    /// own batch.
    mutating func refuse(_ refusal: ZendeskError, _ level: CallPriority.Level) -> [Batcher.Released] {
        let wait = refusal.retryAfter ?? .zero
        var released: [Batcher.Released] = []
        var kept: [Batcher.Due] = []
        while level > .low, let due = deadlines.min {
            guard let group = groups[due.group], group.waiting > 0, group.options.priority.level <= level else {
                if groups[due.group] != nil { kept.append(due) }
                deadlines.removeMin()
                continue
            }
            guard !group.options.canWait(wait) else { break }
            deadlines.removeMin()
            steps += 1
            released.append(leave(due.group, refusal))
        }
        for due in kept { deadlines.insert(due) }
        // Requests of low priority wait only briefly, whatever their deadline.
        while let last = waiting.max, last.priority.level == .low {
            guard let group = groups[last.group], group.waiting > 0 else {
                waiting.removeMax()
                continue
            }
            guard !group.options.canWait(wait) else { break }
            released.append(leave(last.group, refusal))
        }
        return released
    }

    /// Decides what can start now.
    mutating func next(_ policy: Batcher.Policy, _ now: Duration) -> Batcher.Step {
        while let first = waiting.min, groups[first.group]?.isDone ?? true { waiting.removeMin() }
        let size = max(1, policy.size())
        let enough = min(policy.enough ?? size, size)
        let unasked = count - asked.count * enough
        if count > 0, let first = waiting.min {
            let isUrgent = asked.allSatisfy { $0 < first.priority.level }
            let isFree = running.count + asked.count < policy.width()
            let pause = count >= enough || policy.isAlone() ? .zero : since + policy.pause() - now
            let patience = running.isEmpty ? .zero : running.values.max()! + policy.patience - now
            let isDue = unasked >= enough || (asked.isEmpty && max(pause, patience) <= .zero)
            // Urgent requests do not wait for a call that stands in a longer queue.
            let isOvertaking = !asked.isEmpty && isUrgent && pause <= .zero
            if isFree && isDue || isOvertaking {
                steps += 1
                asked.append(first.priority.level)
                return .ask(first.priority.level)
            }
            // A place may become free without notice.
            let wait = isFree ? max(pause, patience) : .seconds(1)
            if asked.isEmpty, let id = arm(.pause, at: now + wait) { return .wake(after: max(wait, .zero), .pause, id: id) }
        }
        guard let due = deadlines.min, let id = arm(.deadline, at: due.at) else { return .wait }
        return .wake(after: max(due.at - now, .zero), .deadline, id: id)
    }

    /// - Returns: nil if the timer is set for that time or an earlier one.
    private mutating func arm(_ timer: Batcher.Timer, at moment: Duration) -> Int? {
        if let armed = timers[timer], armed.at <= moment { return nil }
        let id = number()
        timers[timer] = (id, moment)
        return id
    }

    mutating func ended(asking level: CallPriority.Level) {
        if let index = asked.firstIndex(of: level) { asked.remove(at: index) }
    }

    /// Takes the requests of a batch; nil if nobody waits any more.
    mutating func form(
        _ call: AdmittedCall,
        _ level: CallPriority.Level,
        _ policy: Batcher.Policy,
        _ now: Duration
    ) -> (members: [Batcher.Member], id: Int, batch: Batcher.Batch)? {
        ended(asking: level)
        let size = max(1, policy.size())
        let free = max(1, policy.width() - running.count)
        let share = min(size, max(policy.enough ?? size, (count + free - 1) / free))
        var members: [Batcher.Member] = []
        while members.count < share, let member = waiting.popMin() {
            steps += 1
            guard groups[member.group]?.isDone == false else { continue }
            groups[member.group]!.waiting -= 1
            count -= 1
            members.append(member)
        }
        guard !members.isEmpty else { return nil }
        since = now
        batches += 1
        batched += members.count
        let id = number()
        running[id] = now
        let deadline = members.map { groups[$0.group]!.options.deadline }.max { $0.remaining < $1.remaining }!
        let requests = members.map { groups[$0.group]!.requests[$0.index] }
        let options = CallOptions(members[0].priority, before: deadline, admitted: call)
        return (members, id, Batcher.Batch(requests: requests, options: options))
    }
}

/// Counts of a batcher's finished and waiting work.
struct BatchTally: Sendable {
    /// Requests that are in no batch yet.
    var waiting: Int
    var batches: Int
    var requests: Int
    /// The bookkeeping steps. Their number must not grow faster than the number of requests.
    var steps: Int

    static func + (left: BatchTally, right: BatchTally) -> BatchTally {
        BatchTally(
            waiting: left.waiting + right.waiting,
            batches: left.batches + right.batches,
            requests: left.requests + right.requests,
            steps: left.steps + right.steps
        )
    }
}
