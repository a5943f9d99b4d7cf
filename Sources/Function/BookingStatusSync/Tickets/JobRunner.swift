import Support
import Synchronization
import Zendesk

/// Runs jobs. Proves first that they honor stamps, and afterwards reads the tickets to see the
/// result.
final class JobRunner: Sendable {
    typealias Reply = Result<JobAnswer, ZendeskError>

    private let zendesk: ZendeskClient
    private let statusField: Int
    private let reader: TicketReader
    private let time: TimeSource
    private let gate = AsyncSemaphore()
    let board: Mutex<JobBoard>
    let polls: Batcher<String, JobStatus?>

    /// Maximum time of a call that starts or polls jobs.
    private static let callTimeout = Duration.seconds(10)
    /// Maximum time of a job before it is abandoned.
    private static let patience = Duration.seconds(25)

    init(
        _ zendesk: ZendeskClient,
        _ settings: BookingStatusSettings,
        _ reader: TicketReader,
        _ sizes: BatchSizes,
        _ scope: TaskScope,
        _ time: TimeSource
    ) {
        self.zendesk = zendesk
        statusField = settings.bookingStatusField
        self.reader = reader
        self.time = time
        board = Mutex(JobBoard(maximumJobs: sizes.jobs))
        polls = Batcher(
            .init(size: { zendesk.ticketsPerCall }, pause: { max(.seconds(1), .seconds(300) / zendesk.usage.readLimit) }, width: { 1 }),
            scope: scope,
            time: time,
            admit: zendesk.admission,
            perform: { batch in
                do throws(ZendeskError) {
                    let statuses = try await zendesk.jobs(batch.requests, batch.options)
                    return batch.requests.map { id in .success(statuses.first { $0.id == id }) }
                } catch {
                    return batch.requests.map { _ in .failure(error) }
                }
            }
        )
    }

    private var callDeadline: Deadline { Deadline(after: Self.callTimeout, time) }

    func run(_ batch: Batcher<JobItem, JobAnswer>.Batch, isSwept: Bool) async -> [Reply] {
        let items = batch.requests
        let tickets = items.map(\.ticket)
        board.withLock { $0.began(tickets, isSwept: isSwept) }
        defer { board.withLock { $0.ended(tickets, isSwept: isSwept) } }
        guard await isProven(items, batch) else { return items.map { _ in .success(.none) } }
        do throws(ZendeskError) {
            let isAccepted = try await accepts(items, batch)
            let accepted = zip(items, isAccepted).filter { $1 }.map { $0.0 }
            var replies = await update(accepted, batch)[...]
            return isAccepted.map { isAccepted in isAccepted ? replies.removeFirst() : .failure(.optionGone) }
        } catch {
            return items.map { _ in .failure(error) }
        }
    }

    /// Whether each item's tag is an option. Reads the drop-down's options again first, unless they
    /// were read within ten seconds: a job does not report the tags that it drops. Items with a
    /// missing tag fail, so that their settlements read the tickets again and see that.
    private func accepts(_ items: [JobItem], _ batch: Batcher<JobItem, JobAnswer>.Batch) async throws(ZendeskError) -> [Bool] {
        zendesk.forgetOptions(of: statusField, olderThan: .seconds(10))
        var isAccepted: [Bool] = []
        for item in items {
            let tag = item.update.customFields[statusField] ?? nil
            isAccepted.append(try await zendesk.field(statusField, accepts: tag, CallOptions(batch.options.priority, before: callDeadline)))
        }
        return isAccepted
    }

    private func update(_ items: [JobItem], _ batch: Batcher<JobItem, JobAnswer>.Batch) async -> [Reply] {
        guard !items.isEmpty else { return [] }
        let tickets = items.map(\.ticket)
        do throws(ZendeskError) {
            guard board.withLock({ $0.isOpen(time.now()) }) else { return items.map { _ in .success(.none) } }
            let job = try await begin(items.map { ($0.ticket, $0.update) }, batch)
            if await end(of: job) != nil {
                board.withLock { $0.succeeded() }
            } else {
                board.withLock { $0.failed(tickets, time.now()) }
            }
        } catch {
            // Nothing was sent or done, so the jobs are not at fault.
            if error.isPassing { return items.map { _ in .failure(error) } }
            board.withLock { $0.failed(error.mayHaveBegunJob ? tickets : [], time.now()) }
            guard error.mayHaveBegunJob else { return items.map { _ in .success(.none) } }
        }
        let found = await reader.read(tickets, CallOptions(batch.options.priority, before: callDeadline))
        return items.map { item in
            found[item.ticket]!.map { .reading($0) }
                .mapError { ZendeskError(.outcomeUnknown, "the result of a job cannot be read: \($0)") }
        }
    }

    /// Starts a job, once the limits allow it.
    private func begin(
        _ updates: [(ticket: Int, update: TicketUpdate)],
        _ batch: Batcher<JobItem, JobAnswer>.Batch
    ) async throws(ZendeskError) -> JobStatus {
        while true {
            do throws(ZendeskError) {
                return try await zendesk.begin(
                    updates,
                    CallOptions(batch.options.priority, before: callDeadline, admitted: batch.options.admitted)
                )
            } catch {
                let wait = max(error.retryAfter ?? .seconds(1), .milliseconds(100))
                guard error.isPassing, wait < batch.options.deadline.remaining else { throw error }
                try await time.pause(wait)
            }
        }
    }

    /// - Returns: the job's last status; nil if it did not end in time.
    private func end(of job: JobStatus) async -> JobStatus? {
        let end = time.now() + Self.patience
        while time.now() < end, !Task.isCancelled {
            do throws(ZendeskError) {
                if let status = try await polls.ask(job.id, CallOptions(.high, before: callDeadline)), status.isOver { return status }
            } catch {
                try? await time.sleep(.seconds(1))
            }
        }
        return nil
    }

    // MARK: Proof

    /// Whether jobs honor stamps. If that is unknown, runs a proof with two of the items.
    private func isProven(_ items: [JobItem], _ batch: Batcher<JobItem, JobAnswer>.Batch) async -> Bool {
        guard await gate.enter(before: batch.options.deadline) else { return false }
        defer { gate.leave() }
        let (trust, isOpen) = board.withLock { ($0.trust, $0.isOpen(time.now())) }
        guard trust == .unknown, isOpen, items.count > 1 else { return trust == .proven }
        let (first, last) = (items[0], items[items.count - 1])
        let proofs = await concurrently([(first, last), (last, first)], width: 2) { await self.prove(stale: $0, own: $1, batch) }
        return board.withLock { board in
            do throws(ZendeskError) {
                let ends = try (proofs[0].get(), proofs[1].get())
                if let there = ends.0, let back = ends.1 {
                    board.judge([(first.ticket, last.ticket, there), (last.ticket, first.ticket, back)], time.now())
                } else {
                    board.failed([first.ticket, last.ticket], time.now())
                }
            } catch {
                if !error.isPassing { board.failed(error.mayHaveBegunJob ? [first.ticket, last.ticket] : [], time.now()) }
            }
            return board.trust == .proven
        }
    }

    /// - Returns: how the job ended; nil if it did not end in time.
    private func prove(
        stale: JobItem,
        own: JobItem,
        _ batch: Batcher<JobItem, JobAnswer>.Batch
    ) async -> Result<JobStatus?, ZendeskError> {
        var (outdated, current) = (stale.update, own.update)
        (outdated.customFields, current.customFields) = ([:], [:])
        // An hour before the ticket's own.
        guard let stamp = RFC3339(outdated.updatedStamp) else { return .failure(ZendeskError(.rejected, "the ticket has no updated_at")) }
        outdated.updatedStamp = RFC3339(seconds: stamp.seconds - 3600).description
        do throws(ZendeskError) {
            return .success(await end(of: try await begin([(stale.ticket, outdated), (own.ticket, current)], batch)))
        } catch {
            return .failure(error)
        }
    }
}

extension ZendeskError {
    fileprivate static var optionGone: ZendeskError {
        ZendeskError(.conflict, "the status field has no option with this tag any more")
    }

    /// Whether a job may run although its id is unknown.
    fileprivate var mayHaveBegunJob: Bool { kind == .outcomeUnknown || kind == .cancelled }

    /// Whether nothing was sent, or a limit refused it.
    fileprivate var isPassing: Bool {
        switch kind {
        case .limited, .timeIsUp: true
        default: false
        }
    }
}
