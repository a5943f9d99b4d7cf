import Support
import Zendesk

/// Applies the changes of a round to their tickets. It finds and reads the tickets, and does what
/// each ticket's ``TicketSettlement`` says. It decides nothing itself. Searches, reads and updates
/// are shared where that is safe.
struct RoundCarrier: Sendable {
    private let desk: TicketDesk
    private let finder: TicketFinder
    private let readings: ReadingDesk
    private let jobs: JobDesk
    private let settings: BookingStatusSettings
    private let time: TimeSource
    private let rule: Rule
    private let memory = TicketMemory()

    /// Maximum concurrency among the tickets of one booking.
    private static let width = 100
    /// Maximum age of a sweep's reading, in seconds.
    private static let freshness = 30.0

    /// The calls from a round to the queue, by booking.
    struct Door: Sendable {
        /// The search for these is answered. Later changes do not join the round.
        var close: @Sendable ([String]) -> Void
        /// Returns the changes, once the tickets have been read.
        var take: @Sendable (String) -> [RoundSchedule.Entry]
        /// Reports the results of each change on each ticket. The booking leaves the round.
        var leave: @Sendable (String, [Settled]) -> Void
    }

    typealias Settled = (entry: RoundSchedule.Entry, results: [TicketResult])

    init(
        desk: TicketDesk,
        settings: BookingStatusSettings,
        limits: RoundLimits,
        proof: SearchProof,
        time: TimeSource,
        rule: @escaping Rule
    ) {
        self.desk = desk
        self.settings = settings
        self.time = time
        self.rule = rule
        finder = TicketFinder(
            desk.zendesk,
            field: settings.bookingIDField,
            maximum: limits.bookingsPerSearch,
            proof: proof,
            time: time
        )
        readings = ReadingDesk(desk: desk, time: time)
        jobs = JobDesk(desk: desk, readings: readings, limits: limits, time: time)
    }

    var lastWrite: Duration? { memory.lastWrite }

    /// What the bookings of the next round can share.
    var sharing: RoundSchedule.Sharing {
        .init(bookingsPerSearch: finder.bookingsPerSearch, hasJobs: jobs.isPromising, writes: !settings.dryRun)
    }

    /// Starts no more jobs.
    func drain() { jobs.drain() }

    /// Runs the reads and jobs that rounds share, until the task is cancelled.
    func run() async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await readings.run() }
            group.addTask { await jobs.run() }
        }
    }

    // MARK: Bookings

    /// Applies changes to the tickets of their bookings, which have to be found first.
    func carry(_ bookings: [String], deadline: Deadline, _ door: Door) async {
        let size = max(finder.bookingsPerSearch, 1)
        let parts = (bookings.count + size - 1) / size
        let even = max(1, (bookings.count + parts - 1) / max(parts, 1))
        let slices = stride(from: 0, to: bookings.count, by: even).map { Array(bookings[$0..<min($0 + even, bookings.count)]) }
        _ = await concurrently(slices, width: slices.count) { await self.carryTogether($0, deadline, door) }
    }

    /// Processes the bookings of one search, whose tickets are read together.
    private func carryTogether(_ all: [String], _ deadline: Deadline, _ door: Door) async {
        for booking in all where !TicketSearch.isPlain(booking) {
            refuse(booking, ZendeskError(.rejected, "the booking's ID would change the meaning of a search"), door)
        }
        let bookings = all.filter(TicketSearch.isPlain)
        guard !bookings.isEmpty else { return }
        do throws(ZendeskError) {
            try await desk.expectFields(priority: .normal, deadline: deadline)
        } catch {
            for booking in bookings { refuse(booking, error, door) }
            return
        }
        let results = await finder.find(bookings, deadline: deadline, answered: door.close)
        var ids: Set<Int> = []
        for case .success(let candidates) in results.map(\.result) { ids.formUnion(candidates.map(\.ticket)) }
        let found = await readings.read(ids.sorted(), priority: .normal, deadline: deadline)
        await withTaskGroup(of: Void.self) { group in
            for (booking, result) in results {
                do throws(ZendeskError) {
                    let own = try tickets(of: booking, among: result.get(), found)
                    group.addTask { await self.settleWithParked(booking, own, door.take(booking), deadline, door) }
                } catch {
                    refuse(booking, error, door)
                }
            }
        }
    }

    private func tickets(
        of booking: String,
        among candidates: [TicketFinder.Candidate],
        _ found: TicketReadings
    ) throws(ZendeskError) -> [TicketFound] {
        var own: [TicketFound] = []
        for candidate in candidates {
            let ticket = try TicketFound(id: candidate.ticket, reading: found[candidate.ticket]!.get())
            if candidate.isHit || ticket.reading?.ticket.text(of: settings.bookingIDField) == booking { own.append(ticket) }
        }
        return own
    }

    /// Settles a booking with the tickets of its parked changes, which this search may have left
    /// out.
    private func settleWithParked(
        _ booking: String,
        _ own: [TicketFound],
        _ entries: [RoundSchedule.Entry],
        _ deadline: Deadline,
        _ door: Door
    ) async {
        let known = Set(entries.flatMap { $0.parked?.tickets ?? [] }).subtracting(own.map(\.id))
        var tickets = own
        do throws(ZendeskError) {
            tickets += try await read(known, deadline)
        } catch {
            return door.leave(booking, entries.map { told($0, [TicketResult(error, ticket: nil)]) })
        }
        await settle(booking, tickets, entries, deadline, door)
    }

    private func read(_ tickets: Set<Int>, _ deadline: Deadline) async throws(ZendeskError) -> [TicketFound] {
        let found = await readings.read(tickets.sorted(), priority: .high, deadline: deadline)
        return try tickets.sorted().map { ticket throws(ZendeskError) in try TicketFound(id: ticket, reading: found[ticket]!.get()) }
    }

    private func refuse(_ booking: String, _ error: ZendeskError, _ door: Door) {
        let result = TicketResult(error, ticket: nil)
        door.leave(booking, door.take(booking).map { told($0, [result]) })
    }

    /// Applies changes to known tickets, which a sweep has read or an earlier search has found.
    func carryKnown(_ booking: String, _ entries: [RoundSchedule.Entry], deadline: Deadline, _ door: Door) async {
        var tickets: [TicketFound] = []
        // A sweep's readings may have become old while they waited for capacity. Such tickets are
        // read again.
        let old = entries.flatMap(\.readings).filter { reading in
            reading.readAt.map { time.secondsSince1970() - Double($0) > Self.freshness } ?? false
        }
        let parked = Set(entries.flatMap { $0.parked?.tickets ?? [] } + old.map(\.ticket.id))
        do throws(ZendeskError) {
            tickets = try await read(parked, deadline)
        } catch {
            return door.leave(booking, entries.map { told($0, [TicketResult(error, ticket: nil)]) })
        }
        await settle(booking, tickets, entries, deadline, door)
    }

    private func settle(
        _ booking: String,
        _ found: [TicketFound],
        _ entries: [RoundSchedule.Entry],
        _ deadline: Deadline,
        _ door: Door
    ) async {
        let entries = entries.sorted { $0.change.tagChange.version.isListed(before: $1.change.tagChange.version) }
        var tickets = found
        for reading in entries.flatMap(\.readings) {
            guard let index = tickets.firstIndex(where: { $0.id == reading.ticket.id }) else {
                tickets.append(TicketFound(id: reading.ticket.id, reading: reading))
                continue
            }
            if isNewer(reading, than: tickets[index].reading) { tickets[index].reading = reading }
        }
        guard !tickets.isEmpty else {
            return door.leave(booking, entries.map { told($0, [TicketResult(ticket: nil, outcome: .noTicket)]) })
        }
        let isAlone = entries.contains(where: \.isAlone)
        let settled = await concurrently(tickets, width: Self.width) { ticket in
            await self.settle(ticket, entries.map(\.change), isAlone, deadline)
        }
        door.leave(booking, entries.indices.map { index in told(entries[index], settled.map { $0[index] }) })
    }

    private func isNewer(_ reading: TicketReading, than other: TicketReading?) -> Bool {
        guard let other, let readAt = reading.readAt, let otherReadAt = other.readAt else { return false }
        return readAt > otherReadAt
    }

    /// Logs the results of a change, except those that are not decided yet.
    private func told(_ entry: RoundSchedule.Entry, _ results: [TicketResult]) -> Settled {
        let known = Set((entry.parked?.results ?? []).compactMap(\.ticket))
        let new = results.filter { result in result.ticket.map { !known.contains($0) } ?? true }
        for result in new where result.outcome != .waiting { entry.change.log(result) }
        return (entry, (entry.parked?.results ?? []) + new)
    }

    // MARK: One ticket

    /// Does what the ticket's settlement says until it is done.
    private func settle(
        _ ticket: TicketFound,
        _ changes: [PendingChange],
        _ isAlone: Bool,
        _ deadline: Deadline
    ) async -> [TicketResult] {
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
                event = try await answer(action, ticket.id, priority, isAlone, deadline)
            } catch {
                event = .failed(error)
            }
        }
    }

    private func answer(
        _ action: TicketSettlement.Action,
        _ ticket: Int,
        _ priority: CallPriority,
        _ isAlone: Bool,
        _ deadline: Deadline
    ) async throws(ZendeskError) -> TicketSettlement.Event {
        switch action {
        case .read(let pause):
            if pause > .zero { try await time.pause(pause) }
            return try await readings.read(ticket, priority: priority, deadline: deadline).map { .reading($0) } ?? .gone
        case .askOption(let tag): return .option(exists: try await desk.accepts(tag, priority: priority, deadline: deadline))
        case .readAudits: return .audits(try await desk.zendesk.audits(of: ticket, priority: priority, deadline: deadline))
        case .write(let update, let mayShare):
            let room = desk.zendesk.room
            // Half of the places are reserved for second updates, or a quarter if one change is
            // alone. Updates beyond that go into a job.
            if mayShare, room.writes <= (isAlone ? room.writeLimit / 4 : room.writeLimit / 2) {
                switch await jobs.write(ticket, update, priority: priority, deadline: deadline) {
                case .none: break
                case .reading(let reading): return reading.map { .reading($0) } ?? .gone
                case .failed(let error): throw error
                }
            }
            return .written(try await desk.update(ticket, update, priority: priority, deadline: deadline))
        case .takeBack(let update): return .written(try await desk.takeBack(ticket, update, priority: priority, deadline: deadline))
        case .done: preconditionFailure("a settlement that is done asks for nothing")
        }
    }
}
