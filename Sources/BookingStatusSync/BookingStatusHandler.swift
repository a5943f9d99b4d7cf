package import FunctionRuntime
import FoundationEssentials
package import Support
import Logging
import SpannerChangeStreams
package import Zendesk

/// Keeps the booking status on Zendesk tickets up to date. It is the only entry point of the
/// function.
///
/// A message carries a data change record or requests a sweep (attribute `task=sweep`). Each status
/// change in a record is applied to every ticket of its booking. Each ticket gets an ``Outcome``
/// and one log line. The event succeeds if every outcome is final. It is retried while one of them
/// may still change. Otherwise, if one of them is hopeless, it can never be processed.
///
/// ``run()`` processes the changes. The host calls it beside `handle(_:context:)`.
package struct BookingStatusHandler: FunctionHandler {
    private let settings: BookingStatusSettings
    let queue: BookingQueue
    private let settled = SettledChanges()
    private let decoding = AsyncSemaphore()
    let sweep: Sweep?
    let sweeps = SweepTurns()
    let time: TimeSource

    /// Part of the runtime's time limit that is reserved for the answer.
    static let timeToAnswer = Duration.milliseconds(500)
    /// Maximum time that a commit may lie ahead, in seconds. A small lead is a difference between
    /// two clocks. A larger one is a damaged record, and would shut out every real change.
    static let maximumClockDifference = 3600.0
    /// Maximum rows of a record per delivery; the next delivery continues after them. A delivery
    /// has no time for that many. The limit bounds the memory that a record costs.
    static let maximumRows = 5_000
    /// Size in bytes above which records are decoded one at a time. Decoding takes several times a
    /// record's size in memory.
    static let longRecord = 1 << 20

    /// - Parameter bookings: where the sweep reads bookings; nil for no sweep.
    package init(
        settings: BookingStatusSettings,
        zendesk: any TicketService,
        bookings: (any BookingSource)? = nil,
        time: TimeSource = .system
    ) {
        self.init(settings: settings, zendesk: zendesk, bookings: bookings, time: time, rule: decide)
    }

    /// - Parameters:
    ///   - limits: batch sizes and concurrency limits; nil derives them from the settings.
    ///   - proof: how a search for several bookings is proven.
    ///   - rule: decides what a change does to a ticket: ``decide(_:_:keepsVersions:)`` or a test's
    ///     own rule.
    package init(
        settings: BookingStatusSettings,
        zendesk: any TicketService,
        bookings: (any BookingSource)? = nil,
        limits: RoundLimits? = nil,
        proof: SearchProof = SearchProof(),
        time: TimeSource,
        rule: @escaping Rule
    ) {
        self.settings = settings
        self.time = time
        let desk = TicketDesk(zendesk: zendesk, settings: settings)
        let queue = BookingQueue(
            desk: desk,
            settings: settings,
            limits: limits ?? (settings.sharesCalls ? RoundLimits() : .single),
            proof: proof,
            time: time,
            rule: rule
        )
        self.queue = queue
        sweep = bookings.map { Sweep(desk: desk, queue: queue, bookings: $0, settings: settings, time: time) }
    }

    /// Processes the changes that events and sweeps submit, until the task is cancelled.
    package func run() async throws { await queue.run() }

    /// Starts no more jobs.
    package func shutdownBegan() { queue.drain() }

    /// Runs the handler while the body runs, for calls without a host.
    package func whileRunning<Result>(_ body: () async throws -> Result) async throws -> Result {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await run() }
            while !queue.isRunning, !Task.isCancelled { await Task.yield() }
            defer { group.cancelAll() }
            return try await body()
        }
    }

    package func handle(_ message: PubSubMessage, context: FunctionContext) async throws {
        if message.attributes["task"] == "sweep" { return try await handleSweep(message, context) }
        let deadline = Deadline(after: context.timeRemaining - Self.timeToAnswer, time)
        let changes = try await changes(in: message, deadline, context.logger)
        let (open, beyond) = settled.open(changes, maximum: Self.maximumRows)
        let pending = open.map { pendingChange($0, message, context) }
        let known = pending.indices.filter { pending[$0].hasKnownStatus }
        let outcome = try await queue.submit(known.map { (pending[$0].change, []) }, before: deadline)

        var results: [TicketResult] = []
        var done: [BookingChange] = []
        var hopeless: [BookingChange] = []
        for (place, index) in known.enumerated() {
            guard let own = outcome.results[place] else { continue }
            results += own
            if own.allSatisfy({ $0.outcome.verdict == .done }) { done.append(open[index]) }
            if own.contains(where: { $0.outcome.verdict == .never }) { hopeless.append(open[index]) }
        }
        for index in pending.indices where !pending[index].hasKnownStatus {
            let reason = TicketResult.noTag(for: open[index].to ?? "")
            let unknown = TicketResult(ticket: nil, outcome: .unknownStatus, reason: reason)
            pending[index].change.log(unknown)
            results.append(unknown)
            hopeless.append(open[index])
        }
        let left = outcome.results.count { $0 == nil } + beyond
        if let refusal = outcome.refusal { log(refusal, outcome.unbegun.map { pending[known[$0]].change }, context.logger) }
        let unbegun = left > 0 ? (left, outcome.refusal ?? TicketResult(ticket: nil, outcome: .deferred)) : nil
        guard let failure = FunctionFailure(results, unbegun: unbegun) else { return settled.forget(changes) }
        settled.remember(done, hopeless: hopeless)
        throw failure
    }

    /// Logs one line for all changes of a record that were not started.
    private func log(_ refusal: TicketResult, _ unbegun: [PendingChange], _ logger: Logger) {
        guard unbegun.count > 1 else {
            for change in unbegun { change.log(refusal) }
            return
        }
        logger.notice(
            "booking status",
            metadata: [
                "outcome": "\(refusal.outcome.rawValue)", "changes": .stringConvertible(unbegun.count),
                "reason": "\(refusal.reason ?? "not begun")",
            ]
        )
    }

    private func changes(
        in message: PubSubMessage,
        _ deadline: Deadline,
        _ logger: Logger
    ) async throws(FunctionFailure) -> [BookingChange] {
        guard message.data.count > Self.longRecord else { return try changes(in: message, logger) }
        guard await decoding.enter(before: deadline) else { throw .tryAgain("other long records are being decoded") }
        defer { decoding.leave() }
        return try changes(in: message, logger)
    }

    private func changes(in message: PubSubMessage, _ logger: Logger) throws(FunctionFailure) -> [BookingChange] {
        guard !message.data.isEmpty else { throw .unprocessable("the message has no data: expected a change record") }
        let changes: [BookingChange]
        do {
            let record = try DataChangeRecord(json: message.data, columns: settings.columns)
            changes = try BookingChange.changes(in: record, settings)
            if changes.isEmpty { logNoChange(in: record, logger) }
        } catch let error as UnusableRecord {
            if let bookingID = error.ambiguousBookingID {
                let metadata: Logger.Metadata = [
                    "booking": "\(PendingChange.forLog(bookingID))", "outcome": "\(Outcome.ambiguousBooking.rawValue)",
                    "reason": "\(error.reason)",
                ]
                logger.error("booking status", metadata: metadata)
            }
            throw .unprocessable(error.reason)
        } catch {
            throw .unprocessable("\(error)")
        }
        let latest = time.secondsSince1970() + Self.maximumClockDifference
        guard changes.allSatisfy({ $0.version.commitTimestamp.secondsSince1970 <= latest }) else {
            throw .unprocessable("the record's commitTimestamp lies over an hour ahead")
        }
        return changes
    }

    /// Logs why a record changes no status. A wrong table or column in the settings shows only here.
    private func logNoChange(in record: DataChangeRecord, _ logger: Logger) {
        let reason =
            record.tableName == settings.table
            ? "no row has a new \(settings.statusColumn)" : "the table is \(record.tableName.forLog), not \(settings.table)"
        logger.info("booking status", metadata: ["outcome": "\(Outcome.notAStatusChange.rawValue)", "reason": "\(reason)"])
    }

    /// - Returns: the change in the queue's form, and whether its new status has a tag.
    private func pendingChange(
        _ change: BookingChange,
        _ message: PubSubMessage,
        _ context: FunctionContext
    ) -> (change: PendingChange, hasKnownStatus: Bool) {
        let to = change.to.flatMap { settings.tags[$0] }
        let from: FormerTag =
            switch change.from {
            case .none: .none
            case .unknown: .unknown
            case .status(let status): settings.tags[status].map { .tag($0) } ?? .untagged
            }
        let tagChange = TagChange(
            bookingID: change.bookingID,
            from: from,
            to: to,
            version: change.version,
            isFresh: isFresh(change, message, context)
        )
        let pending = PendingChange(
            tagChange: tagChange,
            from: change.from.text,
            to: change.to ?? "none",
            eventID: context.eventID,
            logger: context.logger
        )
        return (pending, change.to == nil || to != nil)
    }

    /// Whether the previous change may still be on its way.
    private func isFresh(_ change: BookingChange, _ message: PubSubMessage, _ context: FunctionContext) -> Bool {
        if let attempt = message.deliveryAttempt ?? context.deliveryAttempt, attempt <= 4 { return true }
        let published = (message.publishTime ?? context.eventTime)?.timeIntervalSince1970 ?? change.version.commitTimestamp.secondsSince1970
        return time.secondsSince1970() - published < settings.reorderWindow / .seconds(1)
    }
}
