import BookingStatusSync
import CloudEvents
import Foundation
import FunctionRuntime
import Logging
import Zendesk
import ZendeskSimulator

/// One history: bookings change, records are delivered badly, Zendesk fails, people interfere, instances die. Then the faults stop, and it
/// has to settle.
final class World: @unchecked Sendable {
    static let bookingField = 1
    static let statusField = 2
    static let versionField = 3

    let executor: SeededExecutor
    let history: History
    let mutant: Mutant?
    let keepsVersions: Bool
    var account: SimulatedZendesk
    let settings: BookingStatusSettings
    let readsPerMinute: Int
    let writesPerMinute: Int
    let faultRate: Double
    private(set) var checker: Checker!
    private(set) var counts: [Fault: Int] = [:]
    private var lines: [String]?

    private var instances: [Instance] = []
    private var nextInstance = 0
    private var nextMessage = 0
    private let chaosEnds: Double
    private let outage: ClosedRange<Double>?
    private let hasDeadLetters: Bool
    private let mostAttempts: Int
    /// In half of the histories tickets are swept: there no ticket may stay wrong for want of a change. In the others the changes are alone, and
    /// nothing repairs what they spoil.
    let sweeps: Bool
    private var editsByHand: [Int: Int] = [:]

    /// What the end depends on.
    private var touched: Set<Int> = []
    private var unversioned: Set<Int> = []
    private var indexedAt: [Int: Double] = [:]
    private var published: [Int: Double] = [:]
    private var acknowledged: [Int: Double] = [:]
    private var inFlight: [String: Int] = [:]
    private var delivered: [String: Int] = [:]

    init(seed: UInt64, mutant: Mutant?, keepsVersions: Bool, traces: Bool) {
        executor = SeededExecutor(seed: seed)
        history = History(executor)
        self.mutant = mutant
        self.keepsVersions = keepsVersions && mutant != .talkAlone
        lines = traces ? [] : nil
        let options = (History.statuses + ["VIP"]).map { TicketField.Option(name: $0, tag: History.tag($0)!) }
        account = SimulatedZendesk(
            fields: [
                TicketField(id: Self.bookingField, title: "Booking ID"),
                TicketField(id: Self.statusField, title: "Status", options: options),
                TicketField(id: Self.versionField, title: "Version"),
            ],
            seed: seed
        )
        account.clients = [.init(id: "c", secret: "s")]
        settings = BookingStatusSettings(
            bookingIDField: Self.bookingField,
            bookingStatusField: Self.statusField,
            bookingVersionField: self.keepsVersions ? Self.versionField : nil,
            tags: Dictionary(uniqueKeysWithValues: History.statuses.map { ($0, History.tag($0)!) })
        )
        let isTight = executor.chance(0.1)
        readsPerMinute = isTight ? executor.number(8...20) : 200
        writesPerMinute = isTight ? executor.number(2...5) : 50
        if executor.chance(0.1) { account.limits.ticketUpdates = executor.number(3...20) }
        if executor.chance(0.1) { account.limits.requests = executor.number(20...60) }
        if executor.chance(0.1) { account.limits.updatesOfOneTicket = executor.number(1...4) }
        if executor.chance(0.4) { account.searchLag = 0...executor.number(1.0...180.0) }
        faultRate = executor.chance(0.2) ? 0 : executor.number(0.0...0.25)
        let last = history.records.last?.commits[0].seconds ?? 0
        let hasOutage = executor.chance(0.03)
        let begin = executor.number(0.0...(last + 1))
        outage = hasOutage ? begin...(begin + 3600) : nil
        chaosEnds = max(last + executor.number(60.0...600.0), hasOutage ? begin + 3700 : 0)
        hasDeadLetters = executor.chance(0.7)
        mostAttempts = executor.number(5...30)
        sweeps = executor.chance(0.5) && self.keepsVersions
        checker = Checker(self)
    }

    // MARK: Time, chance, counts

    var elapsed: Double { executor.now / .seconds(1) }
    var now: Double { History.start + elapsed }
    var isChaos: Bool { elapsed < chaosEnds }
    var isOutage: Bool { outage?.contains(elapsed) ?? false }

    func count(_ fault: Fault) { counts[fault, default: 0] += 1 }

    func trace(_ line: () -> String) {
        guard lines != nil else { return }
        lines?.append("\(String(format: "%10.3f", elapsed)) \(line())")
    }

    // MARK: The run

    func run() -> Verdict {
        countHistory()
        instances = (0..<executor.number(1...3)).map { _ in newInstance() }
        openTickets()
        executor.run { await self.live() }
        let known = judge()
        return Verdict(violations: checker.violations, knownLimits: known, counts: counts, trace: lines ?? [])
    }

    private func live() async {
        await withTaskGroup(of: Void.self) { group in
            for record in history.records.indices {
                group.addTask { await self.publish(record) }
            }
            for _ in 0..<executor.number(0...4) {
                let moment = executor.number(0.0...chaosEnds)
                group.addTask {
                    await self.wait(until: moment)
                    self.interfere()
                }
            }
            if executor.chance(0.1) {
                group.addTask { await self.removeOption() }
            }
            if sweeps {
                group.addTask { await self.sweepAgainAndAgain() }
                for _ in 0..<executor.number(0...2) {
                    let moment = executor.number(0.0...chaosEnds)
                    group.addTask {
                        await self.wait(until: moment)
                        await self.interfereWithSweeps()
                    }
                }
            }
        }
        if sweeps { await sweepAll() }
    }

    private func wait(until moment: Double) async {
        try? await executor.sleep(.microseconds(Int64(max(0, moment - elapsed) * 1_000_000)))
    }

    private func newInstance() -> Instance {
        nextInstance += 1
        return Instance(nextInstance, self)
    }

    // MARK: Publication and delivery

    private func publish(_ record: Int) async {
        await wait(until: history.records[record].commits[0].seconds + executor.number(0.05...2.0))
        published[record] = elapsed
        trace {
            "published record \(record): \(self.history.records[record].commits.map { "\($0.bookingID) \($0.from ?? "-")->\($0.to ?? "-") \($0.transaction)" })"
        }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.deliver(record) }
            if executor.chance(0.15) {
                count(.duplicatePublication)
                let delay = executor.number(0.1...300.0)
                group.addTask {
                    await self.wait(until: self.elapsed + delay)
                    await self.deliver(record)
                }
            }
            if executor.chance(0.03) {
                group.addTask {
                    await self.wait(until: self.chaosEnds + 86_400)
                    self.count(.replayedAfterADay)
                    await self.deliver(record)
                }
            }
        }
    }

    /// Delivers a message until it is acknowledged.
    private func deliver(_ record: Int) async {
        var publishedAt = elapsed
        nextMessage += 1
        var messageID = "m\(nextMessage)"
        if executor.chance(0.3) { await wait(until: elapsed + executor.number(0.0...240.0)) }
        var attempt = 0
        var deliveries = 0
        while true {
            attempt += 1
            deliveries += 1
            guard deliveries < 400 else {
                checker.violation("record \(record) is not done after 400 deliveries")
                return
            }
            if deliveries > 1 { count(.redelivered) }
            if await isAcknowledged(record, messageID, publishedAt, attempt) {
                acknowledged[record] = min(acknowledged[record] ?? .infinity, elapsed)
                checker.acknowledged(record)
                guard isChaos, executor.chance(0.05) else { return }
                count(.duplicateDelivery)
                await wait(until: elapsed + executor.number(0.1...600.0))
                continue
            }
            if hasDeadLetters, attempt >= mostAttempts {
                count(.deadLettered)
                await wait(until: max(elapsed, chaosEnds) + executor.number(1.0...3600.0))
                attempt = 0
                publishedAt = elapsed
                nextMessage += 1
                messageID = "m\(nextMessage)"
            } else {
                let backoff = min(600, 10 * Double(1 << min(attempt - 1, 6)))
                await wait(until: elapsed + backoff * executor.number(0.8...1.2))
            }
        }
    }

    private func isAcknowledged(_ record: Int, _ messageID: String, _ publishedAt: Double, _ attempt: Int) async -> Bool {
        let index = executor.number(0...(instances.count - 1))
        let instance = instances[index]
        let bookings = history.records[record].commits.map(\.bookingID)
        for booking in bookings {
            if inFlight[booking, default: 0] > 0 { count(.inFlightTogether) }
            inFlight[booking, default: 0] += 1
            if delivered[booking, default: -1] > record { count(.reordered) }
            delivered[booking] = max(record, delivered[booking, default: -1])
        }
        defer { for booking in bookings { inFlight[booking]! -= 1 } }
        let end = executor.now + .seconds(30)
        let logger = Logger(label: "s") { _ in
            OutcomeLog { metadata in
                guard let known = metadata["outcome"].flatMap({ Outcome(rawValue: "\($0)") }) else { return }
                if known == .superseded { self.count(.superseded) }
                if "\(metadata["reason"] ?? "")".contains("budget") { self.count(.waitedForBudget) }
                if known.isDone, let booking = metadata["booking"] { self.checker.told("\(booking)", of: record) }
                self.trace {
                    "    record \(record) \(metadata["booking"] ?? "") ticket \(metadata["ticket"] ?? "-"): \(known.rawValue) \(metadata["reason"] ?? "")"
                }
            }
        }
        let message = PubSubMessage(
            id: messageID,
            data: Data(json(record, publishedAt).utf8),
            publishTime: Date(timeIntervalSince1970: History.start + publishedAt),
            deliveryAttempt: hasDeadLetters ? attempt : nil
        )
        let context = FunctionContext(eventID: messageID, executionID: messageID, logger: logger) { [executor] in end - executor.now }
        trace { "delivery \(attempt) of record \(record) as \(messageID) to \(instance.name)" }
        do {
            try await instance.handler.handle(message, context)
        } catch {
            trace { "  not acknowledged: \(error)" }
            guard instance.isAlive else {
                if instances[index] === instance { instances[index] = newInstance() }
                return false
            }
            return false
        }
        // What a dead instance answers, nobody hears.
        return instance.isAlive
    }

    private func json(_ record: Int, _ publishedAt: Double) -> String {
        switch mutant {
        case .ordersByPublishTime?: history.records[record].json(commitMicroseconds: Int64(publishedAt * 1_000_000))
        case .comparesAtFinerPrecision?: history.records[record].json(finer: true)
        default: history.records[record].json()
        }
    }

    // MARK: Sweeps

    /// A schedule, badly kept.
    private func sweepAgainAndAgain() async {
        var number = 0
        while isChaos {
            await wait(until: elapsed + executor.number(30.0...600.0))
            number += 1
            await deliverSweep("s\(number)", publishedAt: elapsed)
        }
    }

    private func deliverSweep(_ messageID: String, publishedAt: Double) async {
        if executor.chance(0.2) { await wait(until: elapsed + executor.number(0.0...120.0)) }
        for attempt in 1...3 {
            let index = executor.number(0...(instances.count - 1))
            let instance = instances[index]
            let end = executor.now + .seconds(30)
            let message = PubSubMessage(
                id: messageID,
                data: Data(),
                attributes: ["task": "sweep"],
                publishTime: Date(timeIntervalSince1970: History.start + publishedAt)
            )
            let context = FunctionContext(eventID: messageID, executionID: messageID, logger: sweepLogger) { [executor] in
                end - executor.now
            }
            count(.sweep)
            trace { "sweep \(messageID), delivery \(attempt), to \(instance.name)" }
            do {
                try await instance.handler.handle(message, context)
                return
            } catch {
                count(.sweepFailed)
                trace { "  not acknowledged: \(error)" }
                if !instance.isAlive, instances[index] === instance { instances[index] = newInstance() }
            }
            await wait(until: elapsed + executor.number(5.0...30.0))
        }
    }

    private var sweepLogger: Logger {
        Logger(label: "s") { _ in
            OutcomeLog { metadata in
                guard let outcome = metadata["outcome"] else { return }
                self.trace {
                    "    sweep \(metadata["booking"] ?? "") ticket \(metadata["ticket"] ?? "-"): \(outcome) \(metadata["reason"] ?? "")"
                }
            }
        }
    }

    /// In the end every ticket is looked at, until none is left; and once more, which must find nothing to do.
    private func sweepAll() async {
        await wait(until: chaosEnds + account.searchLag.upperBound + 3600)
        trace { "sweep of all tickets" }
        var isDone = false
        for _ in 0..<20 where !isDone { isDone = await sweepOnce() }
        guard isDone else { return checker.violation("the sweep of all tickets does not end") }
        await wait(until: elapsed + 10)
        let updates = checker.updates
        _ = await sweepOnce()
        if checker.updates > updates { checker.violation("a sweep wrote \(checker.updates - updates) tickets that were right") }
    }

    private func sweepOnce() async -> Bool {
        guard let instance = instances.first else { return false }
        let deadline = Deadline(after: .seconds(86_400), instance.time)
        do {
            let start = Int64(History.start) - 86_400
            let report = try await instance.handler.sweepAll(from: start, deadline: deadline, logger: sweepLogger) { _ in }
            return report.unfinished == 0
        } catch {
            trace { "  \(error)" }
            await wait(until: elapsed + 60)
            return false
        }
    }

    /// What nobody's change repairs.
    private func interfereWithSweeps() async {
        let open = account.tickets.values.filter { $0.status != "closed" }.map(\.id).sorted()
        guard !open.isEmpty else { return }
        switch executor.number(0...2) {
        case 0: followUp(of: executor.pick(account.tickets.keys.sorted()))
        case 1: await setAndUndo(executor.pick(open))
        default:
            let id = executor.pick(open)
            guard account.tickets[id]?.text(of: Self.statusField) != nil else { return }
            count(.emptiedStatus)
            touched.insert(id)
            editsByHand[id, default: 0] += 1
            account.edit(id, now: now) { $0[Self.statusField] = .null }
            checker.person(set: nil, on: id)
            trace { "a person emptied the status of ticket \(id)" }
        }
    }

    /// A guest answers to a closed ticket: the new one has the old one's fields.
    private func followUp(of source: Int) {
        guard let former = account.tickets[source] else { return }
        count(.followUp)
        let id = (account.tickets.keys.max() ?? 0) + 1
        account.put(SimulatedTicket(id: id, subject: "T", createdAt: now, customFields: former.customFields), now: now)
        indexedAt[id] = elapsed + account.searchLag.upperBound
        if touched.contains(source) { touched.insert(id) }
        if unversioned.contains(source) { unversioned.insert(id) }
        trace { "ticket \(id) follows up ticket \(source)" }
    }

    private func setAndUndo(_ id: Int) async {
        guard let former = account.tickets[id]?[Self.statusField] else { return }
        let wasTouched = touched.contains(id)
        setStatus(id)
        let edits = editsByHand[id]
        let set = account.tickets[id]?[Self.statusField]
        await wait(until: elapsed + executor.number(1.0...600.0))
        guard let ticket = account.tickets[id], ticket.status != "closed", ticket[Self.statusField] == set,
            editsByHand[id] == edits
        else { return }
        count(.undoneEdit)
        account.edit(id, now: now) { $0[Self.statusField] = former }
        checker.person(set: wasTouched ? former.string : nil, on: id)
        // Where we have written meanwhile, or never have, it is not what it was to us.
        if !wasTouched, isOurs(id), former != .null || !hasVersion(id) { touched.remove(id) }
        trace { "a person set ticket \(id) back to \(former.string ?? "nothing")" }
    }

    // MARK: Tickets and people

    private func openTickets() {
        var id = 0
        for bookingID in history.commits.keys.sorted() {
            for _ in 0..<executor.number(1...2) {
                id += 1
                var ticket = SimulatedTicket(
                    id: id,
                    subject: "T",
                    createdAt: now - 3600,
                    customFields: [Self.bookingField: .string(bookingID)]
                )
                // Some tickets were sorted by hand before there was a function.
                if let status = history.commits[bookingID]?.first?.from, executor.chance(0.5) {
                    count(.unversionedStatus)
                    unversioned.insert(id)
                    ticket.customFields[Self.statusField] = .string(History.tag(status)!)
                }
                if executor.chance(0.15) {
                    count(.lateTicket)
                    let opened = executor.number(0.0...chaosEnds)
                    ticket.createdAt = now + opened
                    ticket.updatedAt = ticket.createdAt
                    indexedAt[id] = opened + account.searchLag.upperBound
                    account.put(ticket, now: ticket.createdAt)
                } else {
                    indexedAt[id] = -3600 + account.searchLag.upperBound
                    account.put(ticket, now: now - 3600)
                }
            }
        }
    }

    /// A person does something in Zendesk's pages.
    private func interfere() {
        let open = account.tickets.values.filter { $0.status != "closed" }.map(\.id).sorted()
        guard !open.isEmpty else { return }
        let id = executor.pick(open)
        let fraction = elapsed
        switch executor.number(0...9) {
        case 0...2: setStatus(id)
        case 3...6:
            count(.editedOther)
            account.edit(id, now: now) { $0.subject = "edited at \(fraction)" }
        case 7:
            count(.clearedVersion)
            touched.insert(id)
            editsByHand[id, default: 0] += 1
            let text = executor.pick(["", "garbled", "none since yesterday"])
            account.edit(id, now: now) { $0[Self.versionField] = .string(text) }
        case 8:
            count(.correctedBooking)
            if !(sweeps && isOurs(id)) { touched.insert(id) }
            editsByHand[id, default: 0] += 1
            let booking = executor.pick(["BK-1", "BK-12", "BK-3"])
            account.edit(id, now: now) { $0.customFields[Self.bookingField] = .string(booking) }
        default:
            count(.closedTicket)
            checker.closed(id)
            account.edit(id, now: now) { $0.status = "closed" }
        }
        trace {
            "a person edited ticket \(id): \(self.account.tickets[id]!.customFields.sorted { $0.key < $1.key }.map { $0.value.string ?? "" })"
        }
    }

    /// Whether the ticket shows nothing, or what we wrote last.
    private func isOurs(_ id: Int) -> Bool {
        guard let ticket = account.tickets[id] else { return false }
        let kept = ticket.text(of: Self.versionField).flatMap { KeptVersion(text: $0) }
        return ticket.text(of: Self.statusField).map { $0 == kept?.tag } ?? true
    }

    private func hasVersion(_ id: Int) -> Bool { account.tickets[id]?.customFields[Self.versionField] != nil }

    private func setStatus(_ id: Int) {
        count(.editedStatus)
        touched.insert(id)
        editsByHand[id, default: 0] += 1
        let tag = History.tag(executor.pick(History.statuses + ["VIP", "VIP"]))!
        account.edit(id, now: now) { $0.customFields[Self.statusField] = .string(tag) }
        checker.person(set: tag, on: id)
    }

    /// Somebody edits just when we do.
    func editInSameSecond(_ id: Int) {
        guard account.tickets[id].map({ $0.status != "closed" }) ?? false else { return }
        count(.editedInSameSecond)
        if executor.chance(0.5) {
            setStatus(id)
        } else {
            account.edit(id, now: now) { $0.subject += "." }
        }
        trace { "a person edited ticket \(id) in the same second" }
    }

    /// An administrator removes an option, and puts it back.
    private func removeOption() async {
        let moment = executor.number(0.0...chaosEnds)
        await wait(until: moment)
        count(.optionMissing)
        guard let index = account.fields.firstIndex(where: { $0.id == Self.statusField }) else { return }
        let former = account.fields[index].options
        let removed = History.tag(executor.pick(History.statuses))
        account.fields[index].options?.removeAll { $0.tag == removed }
        await wait(until: min(chaosEnds, elapsed + executor.number(1.0...300.0)))
        account.fields[index].options = former
    }

    func sawSearch(_ body: Data) {
        guard isChaos, let answer = try? JSONDecoder().decode(SearchHits.self, from: body) else { return }
        for hit in answer.results {
            guard let ticket = account.tickets[hit.id] else { continue }
            let values = Dictionary(uniqueKeysWithValues: hit.custom_fields.compactMap { field in field.value.map { (field.id, $0) } })
            if values != ticket.customFields.mapValues({ $0.string ?? "" }) { count(.staleHit) }
        }
        let bookings = Set(answer.results.map { hit in hit.custom_fields.first { $0.id == Self.bookingField }?.value })
        if bookings.count > 1 { count(.fuzzyHit) }
        let late = indexedAt.filter { $0.value > elapsed && (account.tickets[$0.key]?.createdAt ?? .infinity) < now }
        if late.keys.contains(where: { id in !answer.results.contains { $0.id == id } }) { count(.searchLag) }
    }

    private struct SearchHits: Decodable {
        struct Hit: Decodable {
            struct Field: Decodable { let id: Int, value: String? }
            let id: Int
            let custom_fields: [Field]
        }
        let results: [Hit]
    }

    // MARK: The end

    private func countHistory() {
        for record in history.records {
            if record.commits.count > 1 { count(.severalMods) }
            if record.cutsToMilliseconds { count(.millisecondProducer) }
        }
        for (_, commits) in history.commits {
            for (former, latter) in zip(commits, commits.dropFirst()) {
                if latter.microseconds / 1000 == former.microseconds / 1000 { count(.sameMillisecond) }
                if latter.to == former.from { count(.reversal) }
            }
            if commits.contains(where: { $0.to == nil }) { count(.deletion) }
        }
        for bookingID in history.commits.keys {
            let producers = Set(history.records.filter { $0.commits.contains { $0.bookingID == bookingID } }.map(\.cutsToMilliseconds))
            if producers.count > 1 { count(.bothProducers) }
        }
        switch history.capture {
        case .oldAndNew: count(.captureOldAndNew)
        case .newValues: count(.captureNewValues)
        case .newRow: count(.captureNewRow)
        case .newRowAndOld: count(.captureNewRowAndOld)
        }
    }

    /// Every ticket that the newest change could find, and that no person touched, shows the booking's status.
    ///
    /// - Returns: the tickets that are wrong by a known limit of the rules.
    private func judge() -> [KnownLimit] {
        var known: [KnownLimit] = []
        for ticket in account.tickets.values.sorted(by: { $0.id < $1.id }) where ticket.status != "closed" && !touched.contains(ticket.id) {
            guard let bookingID = ticket.text(of: Self.bookingField) else { continue }
            guard let commits = history.commits[bookingID] ?? (sweeps ? [] : nil) else { continue }
            let shown = ticket.text(of: Self.statusField)
            let expected = History.tag(history.finalStatus(bookingID))
            let records = history.records.indices.filter { history.records[$0].commits.contains { $0.bookingID == bookingID } }
            let isLate = records.last.map { indexedAt[ticket.id]! > published[$0]! } ?? false
            if shown == expected {
                if isLate, sweeps, shown != nil { count(.lateTicketFilled) }
                continue
            }
            if isLate, !sweeps {
                known.append(.lateTicket)
            } else if unversioned.contains(ticket.id), !history.capture.knowsOldValues {
                known.append(.unversionedWithoutOldValues)
            } else if unversioned.contains(ticket.id), let first = records.first, indexedAt[ticket.id]! > published[first]! {
                known.append(.unversionedUnseen)
            } else if unversioned.contains(ticket.id), isReorderedBeyondWindow(records) {
                known.append(.unversionedBeyondWindow)
            } else if isStranded(ticket) {
                known.append(.strandedVersion)
            } else if isReversedWithinMillisecond(bookingID, commits) {
                known.append(.reversalWithinMillisecond)
            } else {
                checker.violation("ticket \(ticket.id) of \(bookingID) shows \(shown ?? "nothing") instead of \(expected ?? "nothing")")
            }
        }
        return known
    }

    private func isReorderedBeyondWindow(_ records: [Int]) -> Bool {
        zip(records, records.dropFirst()).contains { former, latter in
            acknowledged[former]! > published[latter]! + 120
        }
    }

    /// Our version is there without its tag, which the field did not have for a while.
    private func isStranded(_ ticket: SimulatedTicket) -> Bool {
        guard mutant == nil, counts[.optionMissing] != nil else { return false }
        let kept = ticket.text(of: Self.versionField).flatMap { KeptVersion(text: $0) }
        return kept.map { $0.tag != ticket.text(of: Self.statusField) } ?? false
    }

    /// Two changes that cannot be ordered, of which the later one leads back to what a ticket may still show, be it nothing, or does not
    /// say what it replaces; or three, of which the last one came before the second.
    private func isReversedWithinMillisecond(_ bookingID: String, _ commits: [History.Commit]) -> Bool {
        !sweeps
            && commits.indices.contains { index in
                let earlier = [commits[0].from] + commits[..<index].map(\.to)
                let unordered = commits[index...].dropFirst().filter { history.areUnordered(commits[index], $0) }
                return unordered.count > 1
                    || unordered.contains { $0.to == nil || earlier.contains($0.to) || !history.capture.knowsOldValues }
            }
    }
}
