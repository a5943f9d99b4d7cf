import Synchronization
import Support
import Zendesk

/// Updates many tickets at once in jobs, as far as the ``JobBoard`` trusts them.
///
/// A job begins when fifteen updates wait or the oldest has waited for a second. Waiting updates
/// are spread over the free places, because five jobs of twenty tickets end sooner than one of a
/// hundred. One call polls all jobs: every second, or with a small budget as every fifth call.
struct Jobs: Sendable {
    private let runner: JobRunner
    private let live: Batcher<JobItem, JobAnswer>
    private let swept: Batcher<JobItem, JobAnswer>
    private let time: TimeSource

    init(
        _ zendesk: ZendeskClient,
        settings: BookingStatusSettings,
        reader: TicketReader,
        sizes: BatchSizes,
        scope: TaskScope,
        time: TimeSource
    ) {
        let runner = JobRunner(zendesk, settings, reader, sizes, scope, time)
        let batcher = { (isSwept: Bool) in
            Batcher<JobItem, JobAnswer>(
                .init(
                    size: { sizes.ticketsPerJob },
                    enough: 15,
                    pause: { .seconds(1) },
                    width: { runner.board.withLock { $0.places(isSwept: isSwept) } },
                    patience: .zero
                ),
                scope: scope,
                time: time,
                admit: zendesk.admission,
                perform: { await runner.run($0, isSwept: isSwept) }
            )
        }
        self.runner = runner
        self.time = time
        (live, swept) = (batcher(false), batcher(true))
    }

    /// Starts no more jobs, because the instance is about to stop.
    func drain() { runner.board.withLock { $0.drain() } }

    /// Updates a ticket as part of a job, if one takes it.
    func write(_ ticket: Int, _ update: TicketUpdate, _ options: CallOptions) async throws(ZendeskError) -> JobAnswer {
        guard runner.board.withLock({ $0.hold(ticket, time.now()) }) else { return .none }
        defer { runner.board.withLock { $0.letGo(ticket) } }
        let item = JobItem(ticket: ticket, update: update)
        return try await (options.priority.level == .low ? swept : live).ask(item, options)
    }

    var tally: BatchTally { live.tally + swept.tally }
}

/// An update that waits for a job.
struct JobItem: Sendable {
    let ticket: Int
    let update: TicketUpdate
}

enum JobAnswer: Sendable {
    /// The update was not part of any job, and will not be.
    case none
    /// The ticket after the job; nil if it is gone.
    case reading(TicketReading?)
}
