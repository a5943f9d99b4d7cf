import Synchronization
import Support
import Zendesk

/// Queues changes and processes them in rounds.
///
/// ``run()`` is the queue's own task, which processes the rounds. ``submit(_:before:)`` only waits
/// for their results. The ``RoundSchedule`` decides what goes next, and the ``RoundCarrier``
/// applies it to the tickets.
final class BookingQueue: Sendable {
    private let zendesk: any TicketService
    private let carrier: RoundCarrier
    private let time: TimeSource
    private let bell = Bell()
    private let state: Mutex<State>
    private let limits: RoundLimits
    private let maximumParked: Int

    fileprivate struct State {
        var schedule: RoundSchedule
        var submissions: [Int: Waiting] = [:]
        var runs = 0
    }

    /// A submission, and the task that waits for it.
    fileprivate struct Waiting {
        var outcome: SubmissionOutcome
        /// Changes without an outcome.
        var open: Int
        let deadline: Deadline
        var continuation: CheckedContinuation<Void, Never>?
        var hasLeft = false
    }

    /// Time limit for the calls of a round. Submitters wait until their own deadline.
    static let roundBound = Duration.seconds(30)

    init(
        desk: TicketDesk,
        settings: BookingStatusSettings,
        limits: RoundLimits,
        proof: SearchProof,
        time: TimeSource,
        rule: @escaping Rule
    ) {
        zendesk = desk.zendesk
        carrier = RoundCarrier(desk: desk, settings: settings, limits: limits, proof: proof, time: time, rule: rule)
        self.limits = limits
        maximumParked = settings.maximumWaiting
        self.time = time
        state = Mutex(
            State(
                schedule: RoundSchedule(
                    bookingsPerRound: limits.bookings,
                    maximumInWork: limits.bookingsInWork,
                    maximumRounds: limits.rounds
                )
            )
        )
    }

    // MARK: Submitting

    /// Submits changes and waits until each of them has an outcome, the deadline has passed or the
    /// task is cancelled.
    ///
    /// Once a change is refused for lack of budget or time, the unstarted changes of its submission
    /// are not started either.
    ///
    /// - Throws: ``QueueIsNotRunning`` if nobody processes rounds.
    func submit(
        _ changes: [(change: PendingChange, readings: [TicketReading])],
        before deadline: Deadline
    ) async throws(QueueIsNotRunning) -> SubmissionOutcome {
        guard !changes.isEmpty else { return SubmissionOutcome(count: 0) }
        try await expectRun()
        let id: Int? = state.withLock { state in
            guard state.runs > 0 else { return nil }
            let id = state.schedule.submit(changes)
            state.submissions[id] = Waiting(
                outcome: SubmissionOutcome(count: changes.count),
                open: changes.count,
                deadline: deadline
            )
            return id
        }
        guard let id else { throw QueueIsNotRunning() }
        bell.ring()
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.end(of: id) }
            group.addTask {
                try? await self.time.sleep(max(deadline.remaining, .zero))
                self.leave(id)
            }
            await group.next()
            group.cancelAll()
        }
        return state.withLock { state in
            let waiting = state.submissions.removeValue(forKey: id)!
            state.schedule.forget(id)
            return waiting.outcome
        }
    }

    /// Waits up to a second for ``run()``. The host starts it together with its listener, so either
    /// may come first.
    private func expectRun() async throws(QueueIsNotRunning) {
        for _ in 0..<100 {
            if isRunning { return }
            try? await time.sleep(.milliseconds(10))
            if Task.isCancelled { break }
        }
        guard isRunning else { throw QueueIsNotRunning() }
    }

    /// Time of the last successful update; nil if there was none.
    var lastWrite: Duration? { carrier.lastWrite }

    var isRunning: Bool { state.withLock { $0.runs > 0 } }

    private func end(of id: Int) async {
        await withCheckedContinuation { continuation in
            let isOver = state.withLock { state in
                guard let waiting = state.submissions[id], waiting.open > 0, !waiting.hasLeft else { return true }
                state.submissions[id]?.continuation = continuation
                return false
            }
            if isOver { continuation.resume() }
        }
    }

    /// Ends the wait of a submitter and withdraws its unstarted changes.
    private func leave(_ id: Int) {
        let continuation = state.withLock { state in
            guard let waiting = state.submissions[id], waiting.open > 0 else { return nil as CheckedContinuation<Void, Never>? }
            let refusal = TicketResult(ticket: nil, outcome: .deferred, reason: "no time is left", isRefusal: true)
            state.withdraw(id, refusal)
            state.submissions[id]?.hasLeft = true
            return state.submissions[id]?.takeContinuation()
        }
        continuation?.resume()
    }

    /// Starts no more jobs, because the instance is about to stop.
    func drain() { carrier.drain() }

    // MARK: Rounds

    /// Processes rounds until the task is cancelled.
    func run() async {
        state.withLock { $0.runs += 1 }
        await withDiscardingTaskGroup { group in
            group.addTask { await self.carrier.run() }
            while !Task.isCancelled {
                let (bookings, wait) = next()
                if bookings.isEmpty {
                    await bell.wait(atMost: wait, time)
                } else {
                    group.addTask { await self.carry(bookings) }
                }
            }
            group.cancelAll()
        }
        let abandoned = state.withLock { state in
            state.runs -= 1
            return state.runs == 0 ? Array(state.submissions.keys) : []
        }
        for id in abandoned { leave(id) }
    }

    /// The bookings of the next round, or how long to wait for one. A nil wait lasts until
    /// something is submitted or ends.
    private func next() -> (bookings: [String], wait: Duration?) {
        let now = time.now()
        let sharing = carrier.sharing
        let writes = sharing.writes && !sharing.hasJobs ? 1 : 0
        let (wantsRound, untilParked, reads) = state.withLock { state in
            (state.schedule.wantsRound(now), state.schedule.untilParked(now), state.schedule.readsPerSearch)
        }
        let shortage = zendesk.shortage(reads: reads, writes: writes)
        let room = zendesk.room
        guard let shortage, wantsRound else {
            let (bookings, untilNext) = state.withLock { state in
                (state.schedule.draw(room, sharing, now: now), state.schedule.untilNextRound(now, isRelaxed: room.isRelaxed))
            }
            // The very first answer rings no bell.
            return (bookings, wantsRound ? (room.isKnown ? untilNext : .milliseconds(20)) : untilParked)
        }
        let wait = shortage.retryAfter ?? .seconds(1)
        for continuation in state.withLock({ $0.refuse(whoCannotWait: wait, shortage) }) { continuation.resume() }
        return ([], [wait, untilParked].compactMap(\.self).min())
    }

    /// Processes a round, from its searches to the outcome of each change.
    private func carry(_ bookings: [String]) async {
        let deadline = Deadline(after: Self.roundBound, time)
        let door = RoundCarrier.Door(
            close: { bookings in self.state.withLock { state in for booking in bookings { state.schedule.close(booking) } } },
            take: { booking in
                defer { self.bell.ring() }
                return self.state.withLock { $0.schedule.take(booking) }
            },
            leave: { booking, settled in self.leave(booking, settled) }
        )
        await withTaskGroup(of: Void.self) { group in
            var unknown: [String] = []
            for booking in bookings {
                if let entries = state.withLock({ $0.schedule.takeKnown(booking, time.now()) }) {
                    group.addTask { await self.carrier.carryKnown(booking, entries, deadline: deadline, door) }
                } else {
                    unknown.append(booking)
                }
            }
            guard !unknown.isEmpty else { return }
            await carrier.carry(unknown, deadline: deadline, door)
        }
    }

    /// Removes a booking from its round and ends or parks its changes.
    private func leave(_ booking: String, _ settled: [RoundCarrier.Settled]) {
        let released = state.withLock { state in
            state.schedule.leave(booking, ranOut: settled.contains { $0.results.contains(where: \.isShortOfReads) })
            return settled.compactMap { entry, results -> CheckedContinuation<Void, Never>? in
                if let parking = state.parking(entry, results, limits.parking, maximumParked, time.now()) {
                    state.schedule.park(entry, parking)
                    entry.change.logParked()
                    return nil
                }
                for result in results where result.outcome == .waiting { entry.change.log(result) }
                return state.end(entry, results)
            }
        }
        for continuation in released { continuation.resume() }
        bell.ring()
    }
}

extension BookingQueue.State {
    /// The parking of a change that has to wait for the previous one; nil if it is refused.
    fileprivate func parking(
        _ entry: RoundSchedule.Entry,
        _ results: [TicketResult],
        _ time: Duration,
        _ maximum: Int,
        _ now: Duration
    ) -> RoundSchedule.Parking? {
        guard results.contains(where: { $0.outcome == .waiting }), let waiting = submissions[entry.submission], !waiting.hasLeft else {
            return nil
        }
        let until = entry.parked?.until ?? now + time
        // Parking again keeps the first end time. After it there has to be time for one more try.
        guard until > now, until - now + .seconds(2) < waiting.deadline.remaining else { return nil }
        guard entry.parked != nil || schedule.parkedSubmissions < maximum else { return nil }
        return RoundSchedule.Parking(
            until: until,
            tickets: results.filter { $0.outcome == .waiting }.compactMap(\.ticket),
            results: results.filter { $0.outcome != .waiting }
        )
    }

    /// Records the outcome of one change of a submission.
    fileprivate mutating func end(_ entry: RoundSchedule.Entry, _ results: [TicketResult]) -> CheckedContinuation<Void, Never>? {
        let id = entry.submission
        guard submissions[id] != nil else { return nil }
        submissions[id]?.outcome.results[entry.index] = results
        submissions[id]?.open -= 1
        if let refusal = results.first(where: \.isRefusal) { withdraw(id, refusal) }
        return submissions[id]?.open == 0 ? submissions[id]?.takeContinuation() : nil
    }

    /// Withdraws the unstarted changes of a submission.
    fileprivate mutating func withdraw(_ id: Int, _ refusal: TicketResult) {
        guard var waiting = submissions[id] else { return }
        let withdrawn = schedule.withdraw(id)
        waiting.outcome.refusal = waiting.outcome.refusal ?? refusal
        waiting.outcome.unbegun += withdrawn
        waiting.open -= withdrawn.count
        submissions[id] = waiting
    }

    /// Immediately refuses submissions that could not start before their deadline.
    fileprivate mutating func refuse(whoCannotWait wait: Duration, _ shortage: ZendeskError) -> [CheckedContinuation<Void, Never>] {
        submissions.keys.sorted().compactMap { id in
            guard let waiting = submissions[id], waiting.deadline.remaining <= wait else { return nil }
            withdraw(id, TicketResult(shortage, ticket: nil))
            return submissions[id]?.open == 0 ? submissions[id]?.takeContinuation() : nil
        }
    }
}

extension BookingQueue.Waiting {
    fileprivate mutating func takeContinuation() -> CheckedContinuation<Void, Never>? {
        defer { continuation = nil }
        return continuation
    }
}

/// The result of a submission.
struct SubmissionOutcome: Sendable {
    /// The results of each change on its tickets; nil for a change that was not started or is still
    /// in progress.
    var results: [[TicketResult]?]
    /// Indexes of the changes that were not started, and the reason.
    var unbegun: [Int] = []
    var refusal: TicketResult?

    init(count: Int) { results = Array(repeating: nil, count: count) }
}

/// The error when nobody processes rounds: the handler's `run()` has not been called or has ended.
struct QueueIsNotRunning: Error, CustomStringConvertible {
    let description = "the handler is not running: its host has to call run() beside handle(_:context:)"
}
