public import CloudEvents
import FoundationEssentials
public import FunctionRuntime
import Logging
import SpannerChangeStreams
public import Zendesk

/// Keeps the booking status on Zendesk tickets true: the one entry point of the function.
///
/// A message carries a data change record, or asks for a sweep (attribute `task=sweep`). Each status change in it is brought to every ticket of its booking; what becomes of it there
/// is an ``Outcome``, told in one log line a ticket. The event succeeds when every outcome is final, is to be tried again when one of them
/// may still change, and can never be processed when one of them is hopeless.
public struct BookingStatusHandler: FunctionHandler {
    private let settings: BookingStatusSettings
    private let synchronizer: TicketSynchronizer
    private let lanes = BookingLanes()
    private let settled = SettledChanges()
    let sweep: Sweep?
    let sweeps = SweepTurns()
    let time: TimeSource

    /// How much of the time that the runtime gives is kept for the answer.
    static let timeToAnswer = Duration.milliseconds(500)
    /// How many bookings of a record are worked on at once.
    private static let width = 8
    /// A commit can lie ahead by what two clocks differ; more is a damaged record, and would shut out every true change.
    static let largestClockDifference = 3600.0

    /// - Parameter bookings: where the sweep reads bookings; without it there is none.
    public init(
        settings: BookingStatusSettings,
        zendesk: ZendeskClient,
        bookings: (any BookingSource)? = nil,
        time: TimeSource = .system
    ) {
        self.init(settings: settings, zendesk: zendesk, bookings: bookings, time: time, rule: decide)
    }

    /// - Parameter rule: what decides; ``decide(_:_:keepsVersions:)``, or what a test puts in its place.
    package init(
        settings: BookingStatusSettings,
        zendesk: ZendeskClient,
        bookings: (any BookingSource)? = nil,
        time: TimeSource,
        rule: @escaping Rule
    ) {
        self.settings = settings
        self.time = time
        let desk = TicketDesk(zendesk: zendesk, settings: settings)
        let synchronizer = TicketSynchronizer(desk: desk, settings: settings, time: time, rule: rule)
        self.synchronizer = synchronizer
        sweep = bookings.map { Sweep(desk: desk, synchronizer: synchronizer, bookings: $0, settings: settings, time: time) }
    }

    public func handle(_ message: PubSubMessage, _ context: FunctionContext) async throws {
        if message.attributes["task"] == "sweep" { return try await handleSweep(message, context) }
        let changes = try changes(in: message)
        if changes.isEmpty {
            context.logger.info("booking status", metadata: ["outcome": "\(Outcome.notAStatusChange.rawValue)"])
        }
        let deadline = Deadline(after: context.timeRemaining - Self.timeToAnswer, time)
        let open = changes.filter { !settled.contains($0) }
        let results = await concurrently(open, width: Self.width) { change in
            let results = await settle(change, message, context, deadline)
            log(results, of: change, context.logger)
            return results
        }
        guard let failure = FunctionFailure(results.flatMap { $0 }) else {
            settled.forget(changes)
            return
        }
        settled.remember(zip(open, results).filter { $0.1.allSatisfy { $0.outcome.verdict == .done } }.map(\.0))
        throw failure
    }

    private func settle(
        _ change: BookingChange,
        _ message: PubSubMessage,
        _ context: FunctionContext,
        _ deadline: Deadline
    ) async -> [TicketResult] {
        guard let tagChange = tagChange(change, isFresh: isFresh(change, message, context)) else {
            return [TicketResult(ticket: nil, outcome: .unknownStatus, reason: "no tag is configured for the status")]
        }
        let pending = PendingChange(
            tagChange: tagChange,
            metadata: [
                "source": "booking-status-sync", "booking": change.bookingID, "event": context.eventID,
                "version": KeptVersion(bookingID: change.bookingID, version: change.version, tag: tagChange.to).text,
            ]
        )
        let results = await lanes.settle(pending, before: deadline) { take in
            await synchronizer.synchronize(change.bookingID, deadline: deadline, take)
        }
        return results ?? [TicketResult(ticket: nil, outcome: .deferred, reason: "another change of the booking is being written")]
    }

    private func changes(in message: PubSubMessage) throws(FunctionFailure) -> [BookingChange] {
        guard !message.data.isEmpty else { throw .unprocessable("the message has no data: expected a change record") }
        let changes: [BookingChange]
        do {
            changes = try BookingChange.changes(in: DataChangeRecord(json: message.data), settings)
        } catch let error as UnusableRecord {
            throw .unprocessable(error.reason)
        } catch {
            throw .unprocessable("\(error)")
        }
        guard changes.allSatisfy({ $0.version.commitTimestamp.secondsSince1970 <= latestCommit }) else {
            throw .unprocessable("the record's commitTimestamp lies over an hour ahead")
        }
        return changes
    }

    private var latestCommit: Double { time.secondsSince1970() + Self.largestClockDifference }

    /// The change in tags; nil if the new status has none.
    private func tagChange(_ change: BookingChange, isFresh: Bool) -> TagChange? {
        var to: String?
        if let status = change.to {
            guard let tag = settings.tags[status] else { return nil }
            to = tag
        }
        var from: String?
        // An old status without a tag is one that no ticket can show.
        if case .status(let status) = change.from { from = settings.tags[status] }
        return TagChange(bookingID: change.bookingID, from: from, to: to, version: change.version, isFresh: isFresh)
    }

    /// Whether the change before this one may still be on its way.
    private func isFresh(_ change: BookingChange, _ message: PubSubMessage, _ context: FunctionContext) -> Bool {
        if let attempt = message.deliveryAttempt ?? context.deliveryAttempt, attempt <= 4 { return true }
        let published = (message.publishTime ?? context.eventTime)?.timeIntervalSince1970 ?? change.version.commitTimestamp.secondsSince1970
        return time.secondsSince1970() - published < settings.reorderWindow / .seconds(1)
    }

    private func log(_ results: some Sequence<TicketResult>, of change: BookingChange, _ logger: Logger) {
        for result in results {
            var metadata: Logger.Metadata = [
                "booking": "\(change.bookingID)",
                "from": "\(change.from.text)",
                "to": "\(change.to ?? "none")",
                "outcome": "\(result.outcome.rawValue)",
            ]
            if let ticket = result.ticket { metadata["ticket"] = "\(ticket)" }
            if let reason = result.reason { metadata["reason"] = "\(reason)" }
            if let writtenAt = result.writtenAt {
                let milliseconds = (writtenAt - change.version.commitTimestamp.secondsSince1970) * 1000
                metadata["commit_to_write_ms"] = "\(Int(milliseconds.rounded()))"
            }
            logger.log(level: result.needsPerson ? .error : result.outcome.logLevel, "booking status", metadata: metadata)
        }
    }
}

extension Outcome {
    var logLevel: Logger.Level {
        switch verdict {
        case .done: .info
        case .tryAgain: .notice
        case .never: .error
        }
    }
}
