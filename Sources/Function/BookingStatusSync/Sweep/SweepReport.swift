import FunctionRuntime
package import Logging
import Zendesk

/// The result of a sweep.
package struct SweepReport: Equatable, Sendable {
    /// Number of tickets by outcome.
    package var outcomes: [Outcome: Int] = [:]
    /// Written tickets that already carried a version of ours. A change for them must have been
    /// lost or is still on its way.
    package var repaired = 0
    /// Tickets that would be cleared if clearing were not held back.
    package internal(set) var held = 0
    /// Tickets that could not be processed, and the first reason.
    package var unfinished = 0
    package var reason: String?
    var retryAfter: Duration?
    /// Creation time up to which all tickets have been seen, in seconds since 1970.
    package var seenUpTo: Int64?
    /// Tickets that could not be read, as far as a log line can name them.
    package private(set) var unreadable: [Int] = []
    private static let maximumNames = 50
    /// Whether budget or time ran out before the last page.
    private(set) var isStopped = false
    /// Whether the pages so far were in order of creation. If not, no creation time marks the
    /// progress.
    private var isRising = true

    package init() {}

    /// The failure of an event for a single ticket.
    var failure: FunctionFailure? {
        if unfinished > 0 { return .tryAgain(after: retryAfter ?? .seconds(10), reason ?? "no time is left") }
        return outcomes.keys.first { $0.verdict == .never }.map { .unprocessable($0.rawValue) }
    }

    /// Whether every ticket was processed.
    var isComplete: Bool { unfinished == 0 && !isStopped }
    package var tickets: Int { outcomes.values.reduce(0, +) }
    package var written: Int { [Outcome.added, .updated, .cleared].reduce(0) { $0 + (outcomes[$1] ?? 0) } }

    mutating func add(_ result: TicketResult, isRepair: Bool) {
        outcomes[result.outcome, default: 0] += 1
        if isRepair, [.added, .updated, .cleared].contains(result.outcome) { repaired += 1 }
        if result.outcome.verdict == .tryAgain {
            unfinished += 1
            note(result)
        }
    }

    /// Records that budget or time ran out with this many tickets left.
    mutating func stop(_ refusal: TicketResult?, tickets: Int) {
        isStopped = true
        unfinished += tickets
        if let refusal { note(refusal) }
    }

    private mutating func note(_ result: TicketResult) {
        reason = reason ?? result.reason ?? result.outcome.rawValue
        retryAfter = max(retryAfter ?? .zero, result.retryAfter ?? .zero)
    }

    /// - Parameter error: the reason why a page could not be read.
    func stopped(by error: ZendeskError) -> SweepReport {
        var report = self
        report.stop(TicketResult(error, ticket: nil), tickets: 0)
        return report
    }

    /// Counts a ticket that could not be read.
    mutating func addUnreadable(_ ticket: Int, _ error: ZendeskError) {
        unfinished += 1
        if unreadable.count < Self.maximumNames { unreadable.append(ticket) }
        note(TicketResult(error, ticket: ticket))
    }

    /// Records a finished page of tickets, by their creation times.
    mutating func saw(_ created: [Int64?]) {
        let times = created.compactMap(\.self)
        let all = (seenUpTo.map { [$0] } ?? []) + times
        isRising = isRising && times.count == created.count && zip(all, all.dropFirst()).allSatisfy { $0 <= $1 }
        seenUpTo = isRising ? all.last : nil
    }

    package var metadata: Logger.Metadata {
        var metadata: Logger.Metadata = [
            "tickets": .stringConvertible(tickets), "written": .stringConvertible(written), "repaired": .stringConvertible(repaired),
        ]
        if held > 0 { metadata["held"] = .stringConvertible(held) }
        if unfinished > 0 { metadata["unfinished"] = .stringConvertible(unfinished) }
        if !unreadable.isEmpty { metadata["unreadable"] = "\(unreadable.map(String.init).joined(separator: " "))" }
        for outcome in [Outcome.unknownBooking, .unknownStatus, .ambiguousBooking, .unexpectedStatus, .tagNotAccepted, .rejected, .dryRun] {
            if let count = outcomes[outcome] { metadata[outcome.rawValue] = .stringConvertible(count) }
        }
        return metadata
    }
}
