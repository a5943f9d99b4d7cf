import Support
import Zendesk

/// Settles a ticket: performs the actions of its ``TicketSettlement``.
struct TicketSettler: Sendable {
    private let zendesk: ZendeskClient
    private let settings: BookingStatusSettings
    private let reader: TicketReader
    private let jobs: Jobs
    private let time: TimeSource
    private let rule: Rule
    private let memory = TicketMemory()

    init(
        _ zendesk: ZendeskClient,
        settings: BookingStatusSettings,
        reader: TicketReader,
        jobs: Jobs,
        time: TimeSource,
        rule: @escaping Rule
    ) {
        self.zendesk = zendesk
        self.settings = settings
        self.reader = reader
        self.jobs = jobs
        self.time = time
        self.rule = rule
    }

    /// Carries out the ticket's settlement, action by action.
    func settle(_ ticket: Int, _ reading: TicketReading?, _ changes: [BookingChange], _ options: CallOptions) async -> [TicketResult] {
        let notes = memory.notes(of: ticket)
        var settlement = TicketSettlement(ticket: ticket, changes: changes, settings: settings, rule: rule, notes: notes)
        var event = reading.map { TicketSettlement.Event.reading($0) } ?? .gone
        while true {
            let moment = TicketSettlement.Moment(
                now: time.now(),
                secondsSince1970: time.secondsSince1970(),
                remaining: options.deadline.remaining,
                random: time.random()
            )
            let action = settlement.next(event, at: moment)
            if case .done(let results, let after) = action {
                // Another booking's lane may have left notes meanwhile.
                if after != notes { memory.keep(after, of: ticket) }
                return results
            }
            do throws(ZendeskError) {
                event = try await answer(action, ticket, options)
            } catch {
                event = .failed(error)
            }
        }
    }

    private func answer(
        _ action: TicketSettlement.Action,
        _ ticket: Int,
        _ options: CallOptions
    ) async throws(ZendeskError) -> TicketSettlement.Event {
        let status = settings.bookingStatusField
        switch action {
        case .read(let pause):
            if pause > .zero { try await time.pause(pause) }
            return try await reader.read(ticket, options).map { .reading($0) } ?? .gone
        case .askOption(let tag):
            return .option(exists: try await zendesk.field(status, accepts: tag, options))
        case .readAudits: return .audits(try await zendesk.audits(of: ticket, options))
        case .write(let update, let mayShare):
            if mayShare, isScarce(options.priority),
                case .reading(let reading) = try await jobs.write(ticket, update, options)
            {
                return reading.map { .reading($0) } ?? .gone
            }
            let answer = try await zendesk.update(ticket, update, options)
            // The options are read again before the next tag is sent.
            if let tag = update.customFields[status], tag != answer.ticket.text(of: status) { zendesk.forgetOptions(of: status) }
            return .written(answer)
        case .takeBack(let update):
            zendesk.forgetOptions(of: status)
            return .written(try await zendesk.update(ticket, update, options))
        case .done: preconditionFailure("a settlement that is done asks for nothing")
        }
    }

    /// Whether an update has to share a job, because it cannot be sent alone at once. Half of the
    /// budget is reserved for second updates. The first change of each submission may use part of
    /// that half, so that a single guest's change passes a large record.
    private func isScarce(_ priority: CallPriority) -> Bool {
        let usage = zendesk.usage
        return usage.writeWait > .seconds(1)
            || usage.freeWrites <= usage.writeLimit / (priority.level == .high && priority.turn == 0 ? 4 : 2)
    }
}
