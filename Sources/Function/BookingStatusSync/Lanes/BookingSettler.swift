import Logging
import Support
import Zendesk

/// Settles bookings: applies the changes of events and sweeps to the tickets of their bookings.
///
/// ``submit(_:readings:before:)`` only waits for results. ``Lanes`` decides which booking goes
/// next, and ``settle(_:)`` processes it. Searches, readings and updates are shared where that is
/// safe. All of it runs in the handler's `run()`.
final class BookingSettler: Sendable {
    private let zendesk: ZendeskClient
    private let settings: BookingStatusSettings
    private let finder: TicketFinder
    private let reader: TicketReader
    private let jobs: Jobs
    private let settler: TicketSettler
    private let scope: TaskScope
    private let time: TimeSource
    private let parking: Duration
    private let logger: Logger
    private let state: SharedState

    /// Maximum time of a booking's calls. Submitters wait until their own deadline.
    private static let bound = Duration.seconds(30)
    /// A booking that is in work for this long hangs.
    private static let hanging = Duration.seconds(300)
    /// Maximum concurrency among the tickets of one booking.
    private static let width = 100
    /// Maximum age of a sweep's reading, in seconds.
    private static let freshness = 30.0

    fileprivate typealias SharedState = Locked<State>

    fileprivate struct State {
        /// Whether a task logs the waiting work every minute.
        var isWatched = false
        var lanes: Lanes
        var submissions: [Int: Submission] = [:]
        var next = 0
    }

    /// A submission whose caller waits.
    fileprivate struct Submission {
        var outcome: SubmissionOutcome
        /// Changes without an outcome.
        var open: Int
        let deadline: Deadline
        let end: AsyncStream<Never>.Continuation
    }

    init(
        zendesk: ZendeskClient,
        settings: BookingStatusSettings,
        sizes: BatchSizes,
        scope: TaskScope,
        time: TimeSource,
        logger: Logger,
        rule: @escaping Rule
    ) {
        var limits = Lanes.Limits()
        limits.inWork = sizes.lanes
        limits.large = max(1, settings.concurrency / 2)
        limits.parked = settings.concurrency / 4
        let state = SharedState(State(lanes: Lanes(limits: limits)))
        let isAlone: @Sendable () -> Bool = { state.withLock { $0.lanes.inWork <= 1 } }
        let reader = TicketReader(zendesk, scope: scope, isAlone: isAlone, time: time)
        self.zendesk = zendesk
        self.settings = settings
        self.scope = scope
        self.time = time
        self.logger = logger
        self.state = state
        self.reader = reader
        parking = sizes.parking
        finder = TicketFinder(
            zendesk,
            field: settings.bookingIDField,
            maximum: sizes.bookingsPerSearch,
            scope: scope,
            isAlone: isAlone,
            latest: { state.withLock(\.lanes.latest) },
            time: time
        )
        jobs = Jobs(zendesk, settings: settings, reader: reader, sizes: sizes, scope: scope, time: time)
        settler = TicketSettler(zendesk, settings: settings, reader: reader, jobs: jobs, time: time, rule: rule)
    }

    /// Whether at most one booking is in work, so that its calls have no company to wait for.
    var isAlone: Bool { state.withLock { $0.lanes.inWork <= 1 } }

    /// Whether each booking in work has begun within the last five minutes. All of its calls end
    /// within half a minute and their caller's deadline.
    var makesProgress: Bool {
        let now = time.now()
        return state.withLock { $0.lanes.oldest.map { now - $0 < Self.hanging } ?? true }
    }

    /// Starts no more jobs, because the instance is about to stop.
    func drain() { jobs.drain() }

    /// Reads tickets for a sweep.
    func read(_ tickets: [Int], _ options: CallOptions) async -> TicketReadings {
        await reader.read(tickets, options)
    }

    // MARK: Submitting

    /// Submits changes and waits until each of them has an outcome, the deadline has passed or the
    /// task is cancelled.
    ///
    /// Once a change is refused for lack of budget or time, the unstarted changes of its submission
    /// are not started either.
    ///
    /// - Parameter readings: the tickets of each change's booking, if a sweep has read them.
    /// - Throws: ``HandlerIsNotRunning`` if nobody processes changes.
    func submit(
        _ changes: [BookingChange],
        readings: [[TicketReading]]? = nil,
        before deadline: Deadline
    ) async throws(HandlerIsNotRunning) -> SubmissionOutcome {
        guard !changes.isEmpty else { return SubmissionOutcome(count: 0) }
        try await expectRun()
        let (ends, end) = AsyncStream.makeStream(of: Never.self)
        let id: Int? = state.withLock { state in
            state.next += 1
            guard state.lanes.submit(changes, readings: readings, id: state.next) else { return nil }
            let outcome = SubmissionOutcome(count: changes.count)
            state.submissions[state.next] = Submission(outcome: outcome, open: changes.count, deadline: deadline, end: end)
            return state.next
        }
        guard let id else {
            let refusal = TicketResult(ticket: nil, outcome: .deferred, reason: "too many changes are waiting", isRefusal: true)
            return SubmissionOutcome(count: changes.count, refusal: refusal)
        }
        pump()
        watch()
        _ = try? await time.run(for: max(deadline.remaining, .zero)) { for await _ in ends {} }
        return state.withLock { state in
            if state.submissions[id]!.open > 0 {
                state.withdraw(id, TicketResult(ticket: nil, outcome: .deferred, reason: "no time is left", isRefusal: true))
            }
            state.lanes.forget(id)
            return state.submissions.removeValue(forKey: id)!.outcome
        }
    }

    /// Waits up to a second for ``run()``. The host starts it together with its listener, so either
    /// may come first.
    private func expectRun() async throws(HandlerIsNotRunning) {
        for _ in 0..<100 where !scope.isRunning && !Task.isCancelled { try? await time.sleep(.milliseconds(10)) }
        guard scope.isRunning else { throw HandlerIsNotRunning() }
    }

    /// Begins all lanes that may begin.
    private func pump() {
        while let lane = state.withLock({ $0.lanes.next(time.now()) }) {
            guard !scope.start({ await self.settle(lane) }) else { continue }
            let entries = state.withLock { $0.lanes.take(lane.bookingID) }
            return refuse(lane, entries, TicketResult(ZendeskError(.cancelled, "the handler is not running"), ticket: nil))
        }
    }

    // MARK: Waiting work

    /// The bookkeeping steps so far. Their number must not grow faster than the number of changes.
    var steps: Int {
        state.withLock(\.lanes.steps) + finder.tally.steps + reader.tally.steps + jobs.tally.steps
    }

    /// Logs the waiting work every minute until there is none.
    private func watch() {
        let isWatched = state.withLock { state in
            defer { state.isWatched = true }
            return state.isWatched
        }
        guard !isWatched else { return }
        let isStarted = scope.start {
            var former = (self.finder.tally, self.reader.tally, self.jobs.tally)
            while (try? await self.time.sleep(.seconds(60))) != nil, self.state.withLock({ !$0.lanes.isEmpty }) {
                let tallies = (self.finder.tally, self.reader.tally, self.jobs.tally)
                self.logger.info("waiting", metadata: self.metadata(tallies, since: former))
                former = tallies
            }
            self.state.withLock { $0.isWatched = false }
        }
        if !isStarted { state.withLock { $0.isWatched = false } }
    }

    private typealias Tallies = (searches: BatchTally, readings: BatchTally, jobs: BatchTally)

    private func metadata(_ tallies: Tallies, since former: Tallies) -> Logger.Metadata {
        let (inWork, waiting, parked) = state.withLock { ($0.lanes.inWork, $0.lanes.waiting, $0.lanes.parked) }
        let usage = zendesk.usage
        func batches(_ now: BatchTally, _ then: BatchTally) -> Logger.MetadataValue {
            "\(now.batches - then.batches) for \(now.requests - then.requests), \(now.waiting) waiting"
        }
        return [
            "lanes": .stringConvertible(inWork), "changes": .stringConvertible(waiting), "parked": .stringConvertible(parked),
            "searches": batches(tallies.searches, former.searches), "readings": batches(tallies.readings, former.readings),
            "jobs": batches(tallies.jobs, former.jobs), "reads_left": .stringConvertible(max(0, usage.readLimit - usage.reads)),
            "writes_left": .stringConvertible(max(0, usage.writeLimit - usage.writes)),
        ]
    }

    // MARK: One booking

    /// Settles a booking: finds and reads its tickets, takes the changes that wait for it, settles
    /// each ticket, and reports the results.
    private func settle(_ lane: Lanes.Start) async {
        let deadline = Deadline(after: Self.bound, time)
        var entries: [Lanes.Entry] = []
        var tickets: TicketReadings = [:]
        do throws(ZendeskError) {
            if lane.isKnown {
                entries = state.withLock { $0.lanes.take(lane.bookingID, upTo: lane.latest) }
            } else {
                let found = try await find(lane)
                tickets = await reader.read(found.tickets, CallOptions(.high.turn(lane.turn), before: deadline))
                entries = state.withLock { $0.lanes.take(lane.bookingID, upTo: found.latest) }
            }
            // Parked changes know tickets that this search may have left out.
            let more = known(entries).filter { tickets[$0] == nil }
            tickets.merge(await reader.read(more, CallOptions(priority(entries, lane), before: deadline))) { first, _ in first }
        } catch {
            if entries.isEmpty { entries = state.withLock { $0.lanes.take(lane.bookingID, upTo: lane.latest) } }
            return refuse(lane, entries, TicketResult(error, ticket: nil))
        }
        // All callers may have left.
        guard !entries.isEmpty else { return finish(lane, []) }
        addReadings(of: entries, to: &tickets)
        entries.sort { $0.change.version.isListed(before: $1.change.version) }
        guard !tickets.isEmpty else {
            return finish(lane, entries.map { ($0, [TicketResult(ticket: nil, outcome: .noTicket)]) })
        }
        let (changes, options) = (entries.map(\.change), CallOptions(priority(entries, lane), before: deadline))
        let settled = await concurrently(tickets.sorted { $0.key < $1.key }, width: Self.width) { ticket, reading in
            switch reading {
            case .success(let reading): await self.settler.settle(ticket, reading, changes, options)
            case .failure(let error): changes.map { _ in TicketResult(error, ticket: ticket) }
            }
        }
        finish(lane, entries.indices.map { index in (entries[index], settled.map { $0[index] }) })
    }

    private func find(_ lane: Lanes.Start) async throws(ZendeskError) -> TicketFinder.Found {
        guard TicketSearch.isPlain(lane.bookingID) else {
            throw ZendeskError(.rejected, "the booking's ID would change the meaning of a search")
        }
        // The latest deadline of its callers.
        let deadline = state.withLock { state in
            state.lanes.submissions(of: lane.bookingID).compactMap { state.submissions[$0]?.deadline }.max { $0.remaining < $1.remaining }
        }
        let limit = deadline ?? Deadline(after: .zero, time)
        try await zendesk.expectFields(settings, CallOptions(.normal.turn(lane.turn), before: limit))
        return try await finder.find(lane.bookingID, CallOptions(.normal.turn(lane.turn), before: limit))
    }

    private func priority(_ entries: [Lanes.Entry], _ lane: Lanes.Start) -> CallPriority {
        CallPriority(level: entries.map(\.change.cause.level).max() ?? .high, turn: lane.turn)
    }

    /// The tickets to read although no search has found them: those of parked changes, and those
    /// whose reading by a sweep has become too old while it waited for capacity or for its lane.
    private func known(_ entries: [Lanes.Entry]) -> [Int] {
        let old = entries.flatMap { entry in
            entry.readings.filter { reading in
                entry.isOutdated || reading.readAt.map { time.secondsSince1970() - Double($0) > Self.freshness } ?? false
            }
        }
        return Set(entries.flatMap { $0.parked?.tickets ?? [] } + old.map(\.ticket.id)).sorted()
    }

    /// Adds the sweeps' readings, unless a ticket has been read again since.
    private func addReadings(of entries: [Lanes.Entry], to tickets: inout TicketReadings) {
        for reading in entries.flatMap(\.readings) {
            let id = reading.ticket.id
            if let other = tickets[id] {
                guard case .success(let other?) = other, let readAt = reading.readAt, let otherReadAt = other.readAt, readAt > otherReadAt
                else { continue }
            }
            tickets[id] = .success(reading)
        }
    }

    /// Ends a lane's work that reached no ticket. If budget or time ran out, one log line counts
    /// the refused changes of a submission.
    private func refuse(_ lane: Lanes.Start, _ entries: [Lanes.Entry], _ result: TicketResult) {
        guard result.isRefusal else { return finish(lane, entries.map { ($0, [result]) }) }
        state.withLock { state in
            for entry in entries { state.refuse(entry, result) }
            state.lanes.leave(lane)
        }
        pump()
    }

    /// Ends a lane's work: logs and reports each change's results, or parks the change.
    private func finish(_ lane: Lanes.Start, _ settled: [(entry: Lanes.Entry, results: [TicketResult])]) {
        var parked: Duration?
        for (entry, new) in settled {
            let former = entry.parked?.results ?? []
            let known = Set(former.compactMap(\.ticket))
            let added = new.filter { result in result.ticket.map { !known.contains($0) } ?? true }
            let results = former + added
            for result in added where result.outcome != .waiting { entry.change.log(result) }
            if let until = state.withLock({ $0.park(entry, results, parking, time.now()) }) {
                parked = max(parked ?? .zero, until)
                entry.change.logParked()
            } else {
                for result in results where result.outcome == .waiting { entry.change.log(result) }
                state.withLock { $0.end(entry, results) }
            }
        }
        state.withLock { $0.lanes.leave(lane) }
        if let parked {
            _ = scope.start {
                try? await self.time.sleep(parked - self.time.now())
                self.state.withLock { $0.lanes.wake(lane.bookingID, self.time.now()) }
                self.pump()
            }
        }
        pump()
    }
}

extension BookingSettler.State {
    /// Parks a change that has to wait for the previous one.
    ///
    /// - Returns: until when; nil if it does not wait, or is refused.
    fileprivate mutating func park(_ entry: Lanes.Entry, _ results: [TicketResult], _ time: Duration, _ now: Duration) -> Duration? {
        guard results.contains(where: { $0.outcome == .waiting }), let submission = submissions[entry.submission] else { return nil }
        // Parking again keeps the first end time. After it there has to be time for one more try.
        let until = entry.parked?.until ?? now + time
        guard until > now, until - now + .seconds(2) < submission.deadline.remaining else { return nil }
        let parked = Lanes.Parked(
            until: until,
            tickets: results.filter { $0.outcome == .waiting }.compactMap(\.ticket),
            results: results.filter { $0.outcome != .waiting }
        )
        return lanes.park(entry, parked) ? until : nil
    }

    /// Records the outcome of one change of a submission.
    fileprivate mutating func end(_ entry: Lanes.Entry, _ results: [TicketResult]) {
        let id = entry.submission
        guard submissions[id] != nil else { return }
        submissions[id]!.outcome.results[entry.index] = results
        submissions[id]!.open -= 1
        if let refusal = results.first(where: \.isRefusal) { withdraw(id, refusal) }
        if submissions[id]!.open == 0 { submissions[id]!.end.finish() }
    }

    /// Records that a change reached no ticket.
    fileprivate mutating func refuse(_ entry: Lanes.Entry, _ refusal: TicketResult) {
        let id = entry.submission
        guard submissions[id] != nil else { return }
        submissions[id]!.outcome.unbegun.append(entry.index)
        submissions[id]!.open -= 1
        if refusal.outcome == .searchIsBlind {
            // Bookings with a hit go on.
            submissions[id]!.outcome.refusal = submissions[id]!.outcome.refusal ?? refusal
        } else {
            withdraw(id, refusal)
        }
        if submissions[id]!.open == 0 { submissions[id]!.end.finish() }
    }

    /// Withdraws the unstarted changes of a submission.
    fileprivate mutating func withdraw(_ id: Int, _ refusal: TicketResult) {
        let withdrawn = lanes.withdraw(id)
        submissions[id]!.outcome.refusal = submissions[id]!.outcome.refusal ?? refusal
        submissions[id]!.outcome.unbegun += withdrawn
        submissions[id]!.open -= withdrawn.count
    }
}
