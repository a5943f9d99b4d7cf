package import FunctionRuntime
import FoundationEssentials
package import Support
package import Logging
import SpannerChangeStreams
package import Zendesk

/// Keeps the booking status on Zendesk tickets up to date. It is the only entry point of the
/// function.
///
/// A message carries a data change record, requests a sweep (attribute `task=sweep`) or names a new
/// ticket (`task=ticket`). Each status change in a record is applied to every ticket of its booking.
/// Each ticket gets an ``Outcome`` and one log line. The event succeeds if every outcome is final. It is retried while one of them
/// may still change. Otherwise, if one of them is hopeless, it can never be processed.
///
/// ``run()`` processes the changes. The host calls it beside `handle(_:context:)`.
package struct BookingStatusHandler: FunctionHandler {
    let settings: BookingStatusSettings
    let settler: BookingSettler
    private let scope = TaskScope()
    private let settled = SettledChanges()
    private let decoding = AsyncSemaphore()
    let sweep: Sweep?
    let sweeps = SweepTurns()
    let time: TimeSource

    /// Part of the runtime's time limit that is reserved for the answer.
    static let timeToAnswer = Duration.milliseconds(500)
    /// Maximum time that a commit may lie in the future, in seconds. A small difference comes from
    /// the clocks. A larger one means a damaged record, whose version would make every real change
    /// look old.
    static let maximumClockDifference = 3600.0
    /// Maximum rows of a record per delivery; the next delivery continues after them. A delivery
    /// has no time for that many. The limit bounds the memory that a record costs.
    static let maximumRows = 5_000
    /// Size in bytes above which records are decoded one at a time. Decoding takes several times a
    /// record's size in memory.
    static let longRecord = 1 << 20

    /// - Parameters:
    ///   - bookings: where the sweep reads bookings; nil for no sweep.
    ///   - logger: logs the waiting work once a minute.
    package init(
        settings: BookingStatusSettings,
        zendesk: ZendeskClient,
        bookings: (any BookingSource)? = nil,
        logger: Logger = Logger(label: "function", factory: { _ in SwiftLogNoOpLogHandler() }),
        time: TimeSource = .system
    ) {
        self.init(settings: settings, zendesk: zendesk, bookings: bookings, logger: logger, time: time, rule: decide)
    }

    /// - Parameters:
    ///   - sizes: how many items share a call; nil derives it from the settings.
    ///   - rule: decides what a change does to a ticket: ``decide(_:_:keepsVersions:)`` or a test's
    ///     own rule.
    package init(
        settings: BookingStatusSettings,
        zendesk: ZendeskClient,
        bookings: (any BookingSource)? = nil,
        sizes: BatchSizes? = nil,
        logger: Logger = Logger(label: "function", factory: { _ in SwiftLogNoOpLogHandler() }),
        time: TimeSource,
        rule: @escaping Rule
    ) {
        self.settings = settings
        self.time = time
        let scope = scope
        let sizes = sizes ?? (settings.sharesCalls ? BatchSizes() : .single)
        let settler = BookingSettler(
            zendesk: zendesk,
            settings: settings,
            sizes: sizes,
            scope: scope,
            time: time,
            logger: logger,
            rule: rule
        )
        self.settler = settler
        sweep = bookings.map {
            Sweep(
                zendesk: zendesk,
                settler: settler,
                bookings: $0,
                settings: settings,
                time: time,
                maximumPages: sizes.pagesPerSweep,
                clearing: ClearGuard(mayClear: settings.sweepMayClear),
                newTickets: NewTickets(zendesk, settings, $0, scope, isAlone: { settler.isAlone }, time)
            )
        }
    }

    /// Processes the changes that events and sweeps submit, until the task is cancelled.
    package func run() async throws { await scope.run() }

    /// The bookkeeping steps so far. Their number must not grow faster than the number of changes.
    package var steps: Int { settler.steps }

    /// Whether no booking hangs.
    package var isAlive: Bool { settler.makesProgress }

    /// Starts no more jobs.
    package func shutdownBegan() { settler.drain() }

    /// Runs the handler while the body runs, for calls without a host.
    package func whileRunning<Result>(_ body: () async throws -> Result) async throws -> Result {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await run() }
            while !scope.isRunning, !Task.isCancelled { await Task.yield() }
            defer { group.cancelAll() }
            return try await body()
        }
    }

    package func handle(_ message: PubSubMessage, context: FunctionContext) async throws {
        switch message.attributes["task"] {
        case "sweep": return try await handleSweep(message, context)
        case "ticket": return try await handleTicket(message, context)
        default: break
        }
        let deadline = Deadline(after: context.timeRemaining - Self.timeToAnswer, time)
        let (changes, rowsWithoutKey) = try await changes(in: message, deadline, context)
        let (open, beyond) = settled.open(changes, maximum: Self.maximumRows)
        let known = open.filter(\.hasTag)
        let outcome = try await settler.submit(known, before: deadline)

        var results: [TicketResult] = []
        var done: [BookingChange] = []
        var hopeless: [BookingChange] = []
        for (change, own) in zip(known, outcome.results) {
            guard let own else { continue }
            results += own
            if own.allSatisfy({ $0.outcome.verdict == .done }) { done.append(change) }
            if own.contains(where: { $0.outcome.verdict == .never }) { hopeless.append(change) }
        }
        for change in open where !change.hasTag {
            let reason = TicketResult.noTag(for: change.to?.name ?? "")
            let unknown = TicketResult(ticket: nil, outcome: .unknownStatus, reason: reason)
            change.log(unknown)
            results.append(unknown)
            hopeless.append(change)
        }
        if rowsWithoutKey > 0 {
            let reason = "\(rowsWithoutKey) rows whose key \(settings.bookingIDColumn) is null"
            let result = TicketResult(ticket: nil, outcome: .rejected, reason: reason)
            context.logger.error("booking status", metadata: ["outcome": "\(result.outcome.rawValue)", "reason": "\(reason)"])
            results.append(result)
        }
        let left = outcome.results.count { $0 == nil } + beyond
        if let refusal = outcome.refusal { log(refusal, outcome.unbegun.map { known[$0] }, context.logger) }
        let unbegun = left > 0 ? (left, outcome.refusal ?? TicketResult(ticket: nil, outcome: .deferred)) : nil
        guard let failure = FunctionFailure(results, unbegun: unbegun) else { return settled.forget(changes) }
        settled.remember(done, hopeless: hopeless)
        throw failure
    }

    /// Logs one line for all changes of a record that were not started.
    private func log(_ refusal: TicketResult, _ unbegun: [BookingChange], _ logger: Logger) {
        guard unbegun.count > 1 else {
            for change in unbegun { change.log(refusal) }
            return
        }
        logger.log(
            level: refusal.needsPerson ? .error : .notice,
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
        _ context: FunctionContext
    ) async throws(FunctionFailure) -> (changes: [BookingChange], rowsWithoutKey: Int) {
        guard message.data.count > Self.longRecord else { return try changes(in: message, context) }
        guard await decoding.enter(before: deadline) else { throw .tryAgain("other long records are being decoded") }
        defer { decoding.leave() }
        return try changes(in: message, context)
    }

    private func changes(
        in message: PubSubMessage,
        _ context: FunctionContext
    ) throws(FunctionFailure) -> (changes: [BookingChange], rowsWithoutKey: Int) {
        guard !message.data.isEmpty else { throw .unprocessable("the message has no data: expected a change record") }
        let changes: [BookingChange]
        let rowsWithoutKey: Int
        do {
            let record = try DataChangeRecord(json: message.data, columns: settings.columns)
            (changes, rowsWithoutKey) = try BookingChange.changes(in: record, settings) { version in
                let isFresh = isFresh(message, context, committedAt: version.commitTimestamp.secondsSince1970)
                return ChangeCause(version: version, isFresh: isFresh, eventID: context.eventID, logger: context.logger)
            }
            if changes.isEmpty, rowsWithoutKey == 0 { logNoChange(in: record, context.logger) }
        } catch let error as UnusableRecord {
            if let outcome = error.outcome {
                var metadata: Logger.Metadata = ["outcome": "\(outcome.rawValue)", "reason": "\(error.reason)"]
                if let bookingID = error.bookingID { metadata["booking"] = "\(BookingChange.forLog(bookingID))" }
                context.logger.error("booking status", metadata: metadata)
            }
            throw .unprocessable(error.reason)
        } catch {
            throw .unprocessable("\(error)")
        }
        let latest = time.secondsSince1970() + Self.maximumClockDifference
        guard changes.allSatisfy({ $0.version.commitTimestamp.secondsSince1970 <= latest }) else {
            throw .unprocessable("the record's commitTimestamp lies over an hour ahead")
        }
        return (changes, rowsWithoutKey)
    }

    /// Logs why a record changes no status.
    private func logNoChange(in record: DataChangeRecord, _ logger: Logger) {
        let reason =
            record.tableName == settings.table
            ? "no row has a new \(settings.statusColumn)" : "the table \(record.tableName.forLog) is ignored"
        logger.info("booking status", metadata: ["outcome": "\(Outcome.notAStatusChange.rawValue)", "reason": "\(reason)"])
    }

    /// Whether the previous change, or the ticket itself, may still be on its way.
    ///
    /// - Parameter committedAt: stands for the time of publication if the message has none.
    func isFresh(_ message: PubSubMessage, _ context: FunctionContext, committedAt: Double) -> Bool {
        if let attempt = message.deliveryAttempt, attempt <= 4 { return true }
        let published = (message.publishTime ?? context.eventTime)?.timeIntervalSince1970 ?? committedAt
        return time.secondsSince1970() - published < settings.reorderWindow / .seconds(1)
    }
}
