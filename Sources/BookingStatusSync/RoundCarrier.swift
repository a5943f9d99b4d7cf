import Zendesk

/// Brings the changes of a round to their tickets: finds and reads them, and does what each ticket's ``TicketSettlement`` says. It decides
/// nothing.
struct RoundCarrier: Sendable {
    let desk: TicketDesk
    let settings: BookingStatusSettings
    let time: TimeSource
    let rule: Rule
    private let memory = TicketMemory()

    /// How many of a booking's tickets are worked on at once.
    private static let width = 4

    init(desk: TicketDesk, settings: BookingStatusSettings, time: TimeSource, rule: @escaping Rule) {
        self.desk = desk
        self.settings = settings
        self.time = time
        self.rule = rule
    }

    var lastWrite: Duration? { memory.lastWrite }

    /// Brings all that waits for one booking to its tickets, and logs what becomes of it.
    ///
    /// - Parameters:
    ///   - swept: changes of sweeps, which have read the tickets; nil if the tickets have to be found.
    ///   - whenSearched: is called when the search for the tickets is answered.
    ///   - take: gives the changes, once the tickets have been found and read.
    /// - Returns: what became of each change on each ticket.
    func carry(
        _ booking: String,
        swept: [RoundSchedule.Entry]?,
        deadline: Deadline,
        whenSearched: () -> Void,
        take: () -> [RoundSchedule.Entry]
    ) async -> [(entry: RoundSchedule.Entry, results: [TicketResult])] {
        var tickets: [TicketFound] = []
        if swept == nil {
            do throws(ZendeskError) {
                tickets = try await desk.find(booking, deadline: deadline, whenSearched: whenSearched)
            } catch {
                return told(TicketResult(error, ticket: nil), take())
            }
        }
        let entries = (swept ?? take()).sorted { $0.change.tagChange.version.isListed(before: $1.change.tagChange.version) }
        for reading in entries.flatMap(\.readings) where !tickets.contains(where: { $0.id == reading.ticket.id }) {
            tickets.append(TicketFound(id: reading.ticket.id, reading: reading))
        }
        guard !tickets.isEmpty else { return told(TicketResult(ticket: nil, outcome: .noTicket), entries) }
        let settled = await concurrently(tickets, width: Self.width) { ticket in
            let results = await self.settle(ticket, entries.map(\.change), deadline)
            for (entry, result) in zip(entries, results) { entry.change.log(result) }
            return results
        }
        return entries.indices.map { index in (entries[index], settled.map { $0[index] }) }
    }

    private func told(
        _ result: TicketResult,
        _ entries: [RoundSchedule.Entry]
    ) -> [(entry: RoundSchedule.Entry, results: [TicketResult])] {
        for entry in entries { entry.change.log(result) }
        return entries.map { ($0, [result]) }
    }

    // MARK: One ticket

    /// Does what the ticket's settlement says, until it is done.
    private func settle(_ ticket: TicketFound, _ changes: [PendingChange], _ deadline: Deadline) async -> [TicketResult] {
        var settlement = TicketSettlement(
            ticket: ticket.id,
            changes: changes,
            settings: settings,
            rule: rule,
            notes: memory.notes(of: ticket.id)
        )
        let priority = changes.map(\.priority).max() ?? .normal
        var event = ticket.reading.map { TicketSettlement.Event.reading($0) } ?? .gone
        while true {
            let moment = TicketSettlement.Moment(
                now: time.now(),
                secondsSince1970: time.secondsSince1970(),
                remaining: deadline.remaining,
                random: time.random()
            )
            let action = settlement.next(event, at: moment)
            if case .done(let results, let notes) = action {
                memory.keep(notes, of: ticket.id)
                if results.contains(where: { $0.writtenAt != nil }) { memory.lastWrite = time.now() }
                return results
            }
            do throws(ZendeskError) {
                event = try await answer(action, ticket.id, priority, deadline)
            } catch {
                event = .failed(error)
            }
        }
    }

    private func answer(
        _ action: TicketSettlement.Action,
        _ ticket: Int,
        _ priority: CallPriority,
        _ deadline: Deadline
    ) async throws(ZendeskError) -> TicketSettlement.Event {
        switch action {
        case .read(let pause):
            if pause > .zero { try await time.pause(pause) }
            return try await desk.read(ticket, priority: priority, deadline: deadline).map { .reading($0) } ?? .gone
        case .askOption(let tag): return .option(exists: try await desk.accepts(tag, priority: priority, deadline: deadline))
        case .readAudits: return .audits(try await desk.zendesk.audits(of: ticket, priority: priority, deadline: deadline))
        case .write(let update): return .written(try await desk.update(ticket, update, priority: priority, deadline: deadline))
        case .takeBack(let update): return .written(try await desk.takeBack(ticket, update, priority: priority, deadline: deadline))
        case .done: preconditionFailure("a settlement that is done asks for nothing")
        }
    }
}
