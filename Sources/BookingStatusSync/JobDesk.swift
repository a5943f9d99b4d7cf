import Synchronization
import Support
import Zendesk

/// Updates many tickets at once in jobs, as the ``JobBoard`` decides. ``run()`` is its own task
/// beside the queue's rounds.
final class JobDesk: Sendable {
    private let desk: TicketDesk
    private let readings: ReadingDesk
    private let time: TimeSource
    private let bell = Bell()
    private let gate = AsyncSemaphore()
    private let board: Mutex<JobBoard>
    private let answers = Answers<Answer>()

    enum Answer: Sendable {
        /// The update was not part of any job, and will not be.
        case none
        /// The ticket after the job; nil if it is gone.
        case reading(TicketReading?)
        case failed(ZendeskError)
    }

    /// Maximum time of a call that starts or polls jobs.
    private static let callTimeout = Duration.seconds(10)

    init(desk: TicketDesk, readings: ReadingDesk, limits: RoundLimits, time: TimeSource) {
        self.desk = desk
        self.readings = readings
        self.time = time
        var limits = limits
        limits.ticketsPerJob = min(limits.ticketsPerJob, desk.zendesk.ticketsPerCall)
        board = Mutex(JobBoard(limits: limits))
    }

    /// Whether to plan more updates than their budget allows.
    var isPromising: Bool { board.withLock { $0.isPromising(time.now()) } }

    /// Starts no more jobs, because the instance is about to stop.
    func drain() {
        board.withLock { $0.drain() }
        bell.ring()
    }

    /// Updates a ticket as part of a job, if a job can take it.
    func write(_ ticket: Int, _ update: TicketUpdate, priority: CallPriority, deadline: Deadline) async -> Answer {
        let number: Int? = board.withLock { board in
            guard board.takes(ticket, time.now()) else { return nil }
            let number = board.add(ticket, update, priority: priority, deadline: deadline, time.now())
            answers.expect(number)
            return number
        }
        guard let number else { return .none }
        bell.ring()
        return await answers.answer(number) {
            self.board.withLock { $0.withdraw(number) }
            return .failed(ZendeskError(.cancelled, "cancelled while waiting for a job"))
        }
    }

    // MARK: Jobs

    /// Starts and polls jobs until the task is cancelled.
    func run() async {
        // One at a time, in case the queue is run twice.
        guard await gate.enter(before: Deadline(after: .seconds(31_536_000), time)) else { return }
        defer { gate.leave() }
        await withDiscardingTaskGroup { group in
            while !Task.isCancelled {
                switch board.withLock({ $0.next(time.now()) }) {
                case .wait(let limit): await bell.wait(atMost: limit.map { max($0, .milliseconds(1)) }, time)
                case .release(let numbers): give(.none, to: numbers)
                case .expire(let numbers):
                    give(.failed(ZendeskError(.timeIsUp, "no job could take the update in time")), to: numbers)
                case .prove: await prove()
                case .begin:
                    group.addTask {
                        await self.begin()
                        self.board.withLock { $0.endedBeginning() }
                        self.bell.ring()
                    }
                case .poll(let ids):
                    let over = await poll(ids)
                    group.addTask { await self.tell(over) }
                }
            }
            group.cancelAll()
        }
    }

    private func give(_ answer: Answer, to numbers: [Int]) {
        for number in numbers { answers.give(answer, to: number) }
    }

    private var callDeadline: Deadline { Deadline(after: Self.callTimeout, time) }

    private func prove() async {
        guard let (stale, own) = board.withLock(\.proof) else { return }
        var (outdated, current) = (stale.update, own.update)
        (outdated.customFields, current.customFields) = ([:], [:])
        // An hour before the ticket's own.
        guard let stamp = RFC3339(outdated.updatedStamp) else { return close([], mayHaveBegun: false) }
        outdated.updatedStamp = RFC3339(seconds: stamp.seconds - 3600).description
        do throws(ZendeskError) {
            let job = try await desk.zendesk.begin(
                [(stale.ticket, outdated), (own.ticket, current)],
                priority: .normal,
                deadline: callDeadline
            )
            board.withLock { $0.begunProof(job.id, stale: stale.ticket, own: own.ticket, time.now()) }
        } catch {
            // The two items keep waiting.
            switch error.kind {
            case .limited, .timeIsUp: postpone([], error)
            default: close([stale.ticket, own.ticket], mayHaveBegun: error.mayHaveBegunJob)
            }
        }
    }

    private func close(_ tickets: [Int], mayHaveBegun: Bool) {
        board.withLock { $0.failed(tickets, mayHaveBegun: mayHaveBegun, time.now()) }
    }

    private func postpone(_ items: [JobBoard.Item], _ error: ZendeskError) {
        let open = items.filter { answers.expects($0.number) }
        board.withLock { $0.postpone(open, for: error.retryAfter ?? .seconds(1), time.now()) }
    }

    /// Starts the next jobs. Reads the drop-down's options again first, unless another job has read
    /// them within a second: a job does not report the tags that it drops.
    private func begin() async {
        desk.zendesk.forgetOptions(of: desk.settings.bookingStatusField, olderThan: .seconds(1))
        var jobs = [[JobBoard.Item]]()
        do throws(ZendeskError) {
            try await desk.expectFields(priority: .high, deadline: callDeadline)
            jobs = board.withLock { $0.form() }
            for index in jobs.indices { jobs[index] = try await accepted(jobs[index]) }
        } catch {
            let items = jobs.isEmpty ? board.withLock { $0.form() } : jobs
            return await failed(items.flatMap(\.self), error, isBegun: false)
        }
        _ = await concurrently(jobs.filter { !$0.isEmpty }, width: jobs.count) { await self.begin($0) }
    }

    /// The items whose tag exists. The tickets of the others are read again, so that their
    /// settlements see the missing tag.
    private func accepted(_ items: [JobBoard.Item]) async throws(ZendeskError) -> [JobBoard.Item] {
        var accepted: [JobBoard.Item] = []
        for item in items {
            if let tag = item.update.customFields[desk.settings.bookingStatusField] ?? nil,
                try await !desk.accepts(tag, priority: .high, deadline: callDeadline)
            {
                give(.failed(ZendeskError(.conflict, "the status field has no option with this tag any more")), to: [item.number])
            } else {
                accepted.append(item)
            }
        }
        return accepted
    }

    private func begin(_ items: [JobBoard.Item]) async {
        guard board.withLock({ $0.isOpen(time.now()) }) else { return give(.none, to: items.map(\.number)) }
        do throws(ZendeskError) {
            let priority = items.map(\.priority).max() ?? .normal
            let job = try await desk.zendesk.begin(items.map { ($0.ticket, $0.update) }, priority: priority, deadline: callDeadline)
            board.withLock { $0.begun(job.id, items, time.now()) }
        } catch {
            await failed(items, error)
        }
    }

    /// - Parameter isBegun: whether the call that starts the job was made.
    private func failed(_ items: [JobBoard.Item], _ error: ZendeskError, isBegun: Bool = true) async {
        switch error.kind {
        // Nothing was sent or done, so the jobs are not at fault.
        case .limited, .timeIsUp: postpone(items, error)
        case _ where !isBegun: give(.failed(error), to: items.map(\.number))
        case _ where error.mayHaveBegunJob:
            close(items.map(\.ticket), mayHaveBegun: true)
            await tell(items)
        default:
            close(items.map(\.ticket), mayHaveBegun: false)
            give(.none, to: items.map(\.number))
        }
    }

    /// - Returns: the items of jobs that have ended or were abandoned.
    private func poll(_ ids: [String]) async -> [JobBoard.Item] {
        var statuses: [JobStatus] = []
        do throws(ZendeskError) {
            statuses = try await desk.zendesk.jobs(ids, priority: .high, deadline: callDeadline)
        } catch {
            // The board abandons jobs that stay unreadable.
        }
        return board.withLock { $0.polled(statuses, time.now()) }
    }

    /// Reads the tickets of jobs and answers the waiting tasks.
    private func tell(_ items: [JobBoard.Item]) async {
        let found = await readings.read(items.map(\.ticket), priority: .high, deadline: callDeadline)
        for item in items {
            do throws(ZendeskError) {
                give(.reading(try found[item.ticket]!.get()), to: [item.number])
            } catch {
                give(.failed(ZendeskError(.outcomeUnknown, "what became of a job cannot be read: \(error)")), to: [item.number])
            }
        }
    }
}

extension ZendeskError {
    /// Whether a job may run although its id is unknown.
    fileprivate var mayHaveBegunJob: Bool { kind == .outcomeUnknown || kind == .cancelled }
}
