import Zendesk

/// Brings one change to every ticket of its booking: finds, reads, decides, writes; and on a conflict reads and decides again.
struct TicketSynchronizer: Sendable {
    let desk: TicketDesk
    let settings: BookingStatusSettings
    let time: TimeSource

    /// How often a ticket that changes under our hands is read again, before Pub/Sub is asked to come back.
    private static let mostConflicts = 5
    /// How many tickets of a booking are written at once.
    private static let width = 4

    func synchronize(_ change: TagChange, metadata: [String: String], deadline: Deadline) async -> [TicketResult] {
        let ids: [Int]
        let readings: [Int: TicketReading]
        do {
            ids = try await desk.ticketIDs(of: change.bookingID, deadline: deadline)
            readings = try await desk.read(ids, deadline: deadline)
        } catch let error as ZendeskError {
            return [TicketResult(error, ticket: nil)]
        } catch {
            return [TicketResult(ticket: nil, outcome: .rejected, reason: "the booking's ID would change the meaning of a search")]
        }
        guard !ids.isEmpty else { return [TicketResult(ticket: nil, outcome: .noTicket)] }

        return await withTaskGroup(of: TicketResult.self) { group in
            var waiting = ids[...]
            var results: [TicketResult] = []
            while let id = waiting.popFirst() {
                if group.isEmpty == false, ids.count - waiting.count > Self.width, let result = await group.next() {
                    results.append(result)
                }
                group.addTask { await settle(change, on: id, readings[id], metadata, deadline) }
            }
            for await result in group { results.append(result) }
            return results.sorted { ($0.ticket ?? 0) < ($1.ticket ?? 0) }
        }
    }

    private func settle(
        _ change: TagChange,
        on id: Int,
        _ firstReading: TicketReading?,
        _ metadata: [String: String],
        _ deadline: Deadline
    ) async -> TicketResult {
        guard let firstReading else { return TicketResult(ticket: id, outcome: .gone) }
        do {
            return try await settle(change, firstReading, metadata, deadline)
        } catch {
            return TicketResult(error, ticket: id)
        }
    }

    private func settle(
        _ change: TagChange,
        _ firstReading: TicketReading,
        _ metadata: [String: String],
        _ deadline: Deadline
    ) async throws(ZendeskError) -> TicketResult {
        let id = firstReading.ticket.id
        var reading = firstReading
        var conflicts = 0
        // What we tried to write when no answer came: if the next reading shows it, it was done.
        var unanswered: Outcome?
        while true {
            let latest = time.secondsSince1970() + BookingStatusHandler.largestClockDifference
            let state = desk.state(of: reading.ticket, latest: latest)
            let outcome: Outcome
            var writesTag = true
            switch decide(state, change, keepsVersions: settings.bookingVersionField != nil) {
            case .skip(let skipped):
                if let unanswered, state.tag == change.to, state.kept.map({ $0.version == change.version }) ?? true {
                    return TicketResult(ticket: id, outcome: unanswered, writtenAt: time.secondsSince1970())
                }
                return TicketResult(ticket: id, outcome: skipped)
            case .write(let written): outcome = written
            case .writeVersion:
                outcome = .unchanged
                writesTag = false
            }
            if settings.dryRun { return TicketResult(ticket: id, outcome: .dryRun, reason: "would be \(outcome.rawValue)") }

            if let wait = reading.waitForStamp {
                reading = try await desk.readAgain(id, after: wait, time, deadline)
                continue
            }
            do {
                let version = KeptVersion(bookingID: change.bookingID, version: change.version, tag: change.to)
                let result = try await desk.write(version, writesTag: writesTag, to: reading, metadata: metadata, deadline: deadline)
                return TicketResult(result, ticket: id, outcome: outcome, at: time.secondsSince1970())
            } catch  where error.kind == .conflict || error.kind == .outcomeUnknown {
                conflicts += 1
                guard conflicts < Self.mostConflicts else { throw error }
                if error.kind == .outcomeUnknown { unanswered = outcome }
                let jitter = Duration.milliseconds(50 + Int(time.random() * 200) * conflicts)
                reading = try await desk.readAgain(id, after: jitter, time, deadline)
            }
        }
    }
}

extension TicketDesk {
    fileprivate func readAgain(
        _ id: Int,
        after wait: Duration,
        _ time: TimeSource,
        _ deadline: Deadline
    ) async throws(ZendeskError) -> TicketReading {
        guard wait < deadline.remaining else { throw ZendeskError(.unavailable, "no time is left to read the ticket again") }
        do {
            try await time.sleep(wait)
        } catch {
            throw ZendeskError(.cancelled, "cancelled while waiting for the ticket")
        }
        return try await zendesk.ticket(id, deadline: deadline)
    }
}

extension TicketResult {
    init(_ error: ZendeskError, ticket: Int?) {
        let outcome: Outcome =
            switch error.kind {
            case .conflict: .conflict
            case .notFound where ticket != nil: .gone
            case .closed: .closed
            default: error.canSucceedLater ? .deferred : .rejected
            }
        self.init(ticket: ticket, outcome: outcome, reason: error.description, retryAfter: error.retryAfter)
    }

    init(_ result: TicketDesk.WriteResult, ticket: Int, outcome: Outcome, at date: Double) {
        switch result {
        case .written: self.init(ticket: ticket, outcome: outcome, writtenAt: outcome == .unchanged ? nil : date)
        case .tagDropped: self.init(ticket: ticket, outcome: .tagNotAccepted, reason: "the status field has no option with this tag")
        case .versionDropped: self.init(ticket: ticket, outcome: .rejected, reason: "the version field did not keep its value")
        }
    }
}
