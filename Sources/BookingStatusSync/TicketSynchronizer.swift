import Zendesk

/// Brings changes of one booking to each of its tickets: finds, reads, decides, writes; and on a conflict reads and decides again.
struct TicketSynchronizer: Sendable {
    let desk: TicketDesk
    let settings: BookingStatusSettings
    let time: TimeSource
    let rule: Rule

    /// How often a ticket that changes under our hands, or an update that fails, is tried again before Pub/Sub is asked to come back.
    private static let mostTries = 5
    /// How many tickets of a booking are worked on at once.
    private static let width = 4

    /// - Parameter take: gives the changes to bring. It is called once, as late as can be, so that what comes in while the tickets are
    ///   found and read is brought along.
    /// - Returns: for each change what became of it on each ticket.
    func synchronize(_ bookingID: String, deadline: Deadline, _ take: () -> [PendingChange]) async -> [[TicketResult]] {
        let ids: [Int]
        let readings: [Int: TicketReading]
        do throws(ZendeskError) {
            // Without a chance to write, reading would only use up what others need.
            if !settings.dryRun { try desk.zendesk.expectUpdate(before: deadline) }
            ids = try await desk.ticketIDs(of: bookingID, deadline: deadline)
            readings = try await desk.read(ids, deadline: deadline)
        } catch {
            let result = TicketResult(error, ticket: nil)
            return take().map { _ in [result] }
        }
        let unsorted = take()
        guard !ids.isEmpty else { return unsorted.map { _ in [TicketResult(ticket: nil, outcome: .noTicket)] } }
        let order = unsorted.indices.sorted { unsorted[$0].tagChange.version.isListed(before: unsorted[$1].tagChange.version) }
        var results = unsorted.map { _ in [TicketResult]() }
        for ticket in await settle(order.map { unsorted[$0] }, ids, readings, deadline) {
            for (position, result) in zip(order, ticket) { results[position].append(result) }
        }
        return results
    }

    /// Brings a change to one ticket that has been read.
    func settle(_ change: PendingChange, _ reading: TicketReading, deadline: Deadline) async -> TicketResult {
        await TicketSettlement(synchronizer: self, changes: [change], deadline: deadline).settle(reading)[0]
    }

    private func settle(
        _ changes: [PendingChange],
        _ ids: [Int],
        _ readings: [Int: TicketReading],
        _ deadline: Deadline
    ) async -> [[TicketResult]] {
        await concurrently(ids, width: Self.width) { id in
            guard let reading = readings[id] else { return changes.map { _ in TicketResult(ticket: id, outcome: .gone) } }
            return await TicketSettlement(synchronizer: self, changes: changes, deadline: deadline).settle(reading)
        }
    }

    /// One ticket, from its first reading to the outcome of every change.
    private struct TicketSettlement {
        let synchronizer: TicketSynchronizer
        let changes: [PendingChange]
        let deadline: Deadline
        /// Changes whose tag the field does not take.
        var excluded: [Int: Outcome] = [:]

        private var desk: TicketDesk { synchronizer.desk }
        private var settings: BookingStatusSettings { synchronizer.settings }
        private var time: TimeSource { synchronizer.time }

        init(synchronizer: TicketSynchronizer, changes: [PendingChange], deadline: Deadline) {
            self.synchronizer = synchronizer
            self.changes = changes
            self.deadline = deadline
        }

        func settle(_ first: TicketReading) async -> [TicketResult] {
            var settlement = self
            return await settlement.run(first)
        }

        private mutating func run(_ first: TicketReading) async -> [TicketResult] {
            let id = first.ticket.id
            var reading = first
            var tries = 0
            // What we tried to write, and to what, when we do not know how far it came: the next reading tells.
            var unanswered: (plan: BatchPlan, former: Ticket)?
            while true {
                let plan = plan(reading)
                if let tried = unanswered, plan.write == nil, let write = tried.plan.write {
                    switch trace(of: write, on: reading.ticket, formerly: tried.former) {
                    case .whole: return results(tried.plan, id)
                    case .none: break
                    case .withoutTag:
                        do throws(ZendeskError) {
                            try await desk.undo(write, of: tried.former, on: reading.ticket, deadline: deadline)
                            excluded[write.change] = .tagNotAccepted
                            unanswered = nil
                            reading = try await readAgain(id, after: .zero)
                            continue
                        } catch {
                            return results(tried.plan, id, failed: TicketResult(error, ticket: id))
                        }
                    }
                }
                guard let write = plan.write else { return results(plan, id) }
                if settings.dryRun { return dryRun(plan, id) }
                do throws(ZendeskError) {
                    if let wait = reading.waitForStamp {
                        reading = try await readAgain(id, after: wait)
                        continue
                    }
                    if write.writesTag, let tag = write.version.tag, !(try await desk.accepts(tag, deadline: deadline)) {
                        excluded[write.change] = .tagNotAccepted
                        continue
                    }
                    let change = changes[write.change]
                    switch try await desk.write(write, to: reading, metadata: change.metadata, yields: change.yields, deadline: deadline) {
                    case .written: return results(plan, id)
                    case .tagDropped:
                        excluded[write.change] = .tagNotAccepted
                        reading = try await readAgain(id, after: .zero)
                    case .versionDropped:
                        let reason = "the version field did not keep its value"
                        return results(plan, id, failed: TicketResult(ticket: id, outcome: .rejected, reason: reason))
                    }
                } catch {
                    unanswered = error.kind == .conflict ? nil : (plan, reading.ticket)
                    tries += 1
                    do throws(ZendeskError) {
                        guard tries < TicketSynchronizer.mostTries, let wait = wait(after: error, tries) else { throw error }
                        reading = try await readAgain(id, after: wait)
                    } catch {
                        return results(plan, id, failed: TicketResult(error, ticket: id))
                    }
                }
            }
        }

        private func plan(_ reading: TicketReading) -> BatchPlan {
            BatchPlan(
                desk.state(of: reading.ticket, latest: time.secondsSince1970() + BookingStatusHandler.largestClockDifference),
                changes.map(\.tagChange),
                excluded: excluded,
                keepsVersions: settings.bookingVersionField != nil,
                rule: synchronizer.rule
            )
        }

        private enum WriteTrace { case none, withoutTag, whole }

        /// What a ticket shows of a write that was not answered.
        private func trace(of write: BatchPlan.Write, on ticket: Ticket, formerly former: Ticket) -> WriteTrace {
            let state = desk.state(of: ticket, latest: .infinity)
            guard settings.bookingVersionField == nil || state.kept == write.version else { return .none }
            if state.tag == write.version.tag { return .whole }
            let former = desk.state(of: former, latest: .infinity)
            return write.writesTag && state.kept != nil && state.tag == former.tag ? .withoutTag : .none
        }

        /// How long to wait before the ticket is read again; nil if that makes no sense.
        private func wait(after error: ZendeskError, _ tries: Int) -> Duration? {
            let jitter = Duration.milliseconds(50 + Int(time.random() * 200)) * tries
            switch error.kind {
            case .conflict, .outcomeUnknown: return jitter
            case .limited(.ticket): return error.retryAfter.flatMap { $0 < deadline.remaining ? $0 : nil }
            // The budgets have been blocked for as long as Zendesk asked.
            case .limited: return error.status == nil ? nil : jitter
            case .unavailable: return jitter * 4
            case .notFound, .closed, .unauthorized, .rejected, .tooManyResults, .cancelled: return nil
            }
        }

        private func readAgain(_ id: Int, after wait: Duration) async throws(ZendeskError) -> TicketReading {
            guard wait < deadline.remaining else { throw ZendeskError(.unavailable, "no time is left to read the ticket again") }
            try await time.pause(wait)
            return try await desk.zendesk.ticket(id, deadline: deadline)
        }

        private func results(_ plan: BatchPlan, _ id: Int) -> [TicketResult] {
            let now = time.secondsSince1970()
            return plan.outcomes.enumerated().map { index, outcome in
                let isWritten = index == plan.write?.change && outcome != .unchanged
                let reason = outcome == .tagNotAccepted ? "the status field has no option with this tag" : nil
                return TicketResult(ticket: id, outcome: outcome, reason: reason, writtenAt: isWritten ? now : nil)
            }
        }

        /// The write failed, and with it every change that depends on it.
        private func results(_ plan: BatchPlan, _ id: Int, failed: TicketResult) -> [TicketResult] {
            results(plan, id).enumerated().map { index, result in plan.depends(onWrite: index) ? failed : result }
        }

        private func dryRun(_ plan: BatchPlan, _ id: Int) -> [TicketResult] {
            plan.outcomes.enumerated().map { index, outcome in
                guard plan.depends(onWrite: index) else { return TicketResult(ticket: id, outcome: outcome) }
                return TicketResult(ticket: id, outcome: .dryRun, reason: "would be \(outcome.rawValue)")
            }
        }
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
        needsPerson = error.kind == .unauthorized
    }
}
