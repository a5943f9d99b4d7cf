import BookingStatusSync
import Support
import Foundation
import SpannerChangeStreams
import Zendesk
import ZendeskSimulator

/// Checks everything that reaches the account, and records violations.
final class Checker {
    private unowned let world: World
    private(set) var violations: [String] = []
    /// Updates of ours that changed something.
    private(set) var updates = 0
    /// The status that a person set on a ticket, until it is rightly replaced.
    private var setByHand: [Int: String] = [:]
    private var emptiedByHand: Set<Int> = []
    private var lastCall: [Int: Double] = [:]
    private var closedSince: [Int: Double] = [:]
    private var calls: [Call: [Double]] = [:]
    /// When each instance may mint again.
    private var mintsBlockedUntil: [Int: Double] = [:]
    /// What our last write of a version replaced on a ticket: version and status.
    /// The writes of each ticket that have not been taken back.
    private var writes: [Int: [(written: String, former: String?, status: String?)]] = [:]
    /// The logged outcomes of finished changes.
    private var told: Set<Told> = []

    private struct Call: Hashable {
        let instance: Int
        let kind: Kind
        enum Kind: String { case updates, reads, mints }
    }

    private struct Told: Hashable {
        let record: Int
        let bookingID: String
        let ticket: Int?
    }

    init(_ world: World) { self.world = world }

    func violation(_ text: String) {
        violations.append(text)
        world.trace { "!! \(text)" }
    }

    func person(set status: String?, on ticket: Int) {
        setByHand[ticket] = status
        if status == nil { emptiedByHand.insert(ticket) } else { emptiedByHand.remove(ticket) }
    }
    func closed(_ ticket: Int) { closedSince[ticket] = world.now }

    // MARK: Calls

    /// Checks a call. No instance exceeds its limit in any sixty seconds.
    func saw(_ request: OutboundRequest, by instance: Instance, at now: Double) {
        lastCall[instance.number] = now
        let isJob = request.target.contains("update_many")
        let kind: Call.Kind = request.target == "/oauth/tokens" ? .mints : request.method == .put && !isJob ? .updates : .reads
        let call = Call(instance: instance.number, kind: kind)
        let limit =
            switch kind {
            case .updates: world.writesPerMinute
            case .reads: world.readsPerMinute
            // A failing mint is not repeated within two seconds, and a token is revoked now and
            // then.
            case .mints: 40
            }
        let recent = (calls[call] ?? []).filter { $0 > now - 60 } + [now]
        calls[call] = recent
        if recent.count > limit { violation("\(instance.name) made \(recent.count) \(kind) in a minute") }
        if request.method == .put, world.isDryRun { violation("a dry run sent an update") }
        if kind == .mints, let until = mintsBlockedUntil[instance.number], now < until {
            violation("\(instance.name) asked for a token \(Int(until - now)) s before it should")
        }
        if request.method == .put, let ticket = Int(request.target.dropFirst("/api/v2/tickets/".count).prefix { $0 != "." }),
            let since = closedSince[ticket], now - since > 60
        {
            violation("an update was sent to ticket \(ticket), which has been closed for \(Int(now - since)) s")
        }
    }

    /// Checks that the work of keeping order did not grow with what else waited.
    func worked(_ instance: Instance) {
        let steps = instance.handler.steps
        if steps > 1000 + instance.given * 120 {
            violation("\(instance.name) took \(steps) steps for \(instance.given) rows and tickets")
        }
    }

    func refusedMint(_ instance: Instance, for seconds: Double) { mintsBlockedUntil[instance.number] = world.now + seconds }

    // MARK: Jobs

    /// Checks a new job. None of its tickets is in another unfinished job of the instance.
    func began(_ job: String, by instance: Instance, unfinished: [String: [Int]]) {
        let own = Set(unfinished[job] ?? [])
        for (other, tickets) in unfinished where other != job && world.jobOwners[other] === instance {
            for ticket in own.intersection(tickets) { violation("ticket \(ticket) is in two jobs of \(instance.name)") }
        }
    }

    /// Checks an event that was given up. Without faults and tight limits, the instance must have
    /// been at work, and a change that waits for an earlier one must be looked at again.
    ///
    /// - Parameter begin: when the event was delivered.
    func gaveUp(_ instance: Instance, since begin: Double) {
        guard instance.isAlive, world.isCalm else { return }
        let last = max(lastCall[instance.number] ?? 0, begin)
        if world.now - last > 15 {
            violation("an event was given up after \(instance.name) had done nothing for \(Int(world.now - last)) s")
        } else if world.now - begin > 18 {
            violation("an event was given up after \(Int(world.now - begin)) s, though nothing was in its way")
        }
    }

    // MARK: Writes

    /// Checks one of our updates.
    ///
    /// - Parameter metadata: the metadata that the update was sent with.
    func wrote(_ before: SimulatedTicket, _ after: SimulatedTicket, metadata: JSON, by instance: Instance) {
        guard before != after, let booking = metadata["booking"]?.string else { return }
        world.trace {
            "    ticket \(after.id): \(before.text(of: World.statusField) ?? "-") -> \(after.text(of: World.statusField) ?? "-")"
        }
        if let version = metadata["takes_back"]?.string { return tookBack(version, before, after) }
        // The message for a new ticket is a sweep of that ticket.
        let isSweep = metadata["task"] != nil
        if metadata["task"]?.string == "sweep" { world.count(.sweepWrote) }
        updates += 1
        if let raced = world.raced[after.id], before.text(of: World.statusField) != raced.status {
            if raced.by === instance, raced.isKnown {
                violation("ticket \(after.id) was written before the status that a person had set was put back")
            }
            // Another instance does not know of it, nor does one that got no answer.
            world.overtaken.insert(after.id)
            world.raced[after.id] = nil
        }
        let former = before.text(of: World.versionField).flatMap { KeptVersion(text: $0) }
        let written = after.text(of: World.versionField).flatMap { KeptVersion(text: $0) }
        if world.isFreshlyHidden { world.writtenWhileHidden.insert(after.id) }
        if let written {
            let write = (written.text, before.text(of: World.versionField), before.text(of: World.statusField))
            writes[after.id, default: []].append(write)
        }
        if before.text(of: World.bookingField) != booking {
            let isForgotten = isSweep && before.text(of: World.bookingField) == nil && former?.bookingID == booking
            if !isForgotten { violation("ticket \(before.id) of another booking was written for \(booking)") }
            if isForgotten, former?.tag != before.text(of: World.statusField), world.raced[before.id] == nil {
                violation("ticket \(before.id): a status that is not ours was taken from a ticket without a booking")
            }
            setByHand[before.id] = nil
            return
        }
        if let moment = world.readWhileHidden[before.id], world.elapsed - moment < 40 {
            setByHand[before.id] = nil
            return
        }
        checkVersions(before, former, written, booking, isSweep)
        checkHandEdit(before, after, former, written, booking, isSweep)
    }

    /// Checks a write that was taken back. The version before it must be restored; a person's
    /// status is put back only with an old stamp.
    private func tookBack(_ version: String, _ before: SimulatedTicket, _ after: SimulatedTicket) {
        world.count(.takeBack)
        let id = after.id
        // A follow-up copied a version without its tag.
        if writes[id]?.isEmpty ?? true, after.text(of: World.versionField) == nil,
            before.text(of: World.statusField) == after.text(of: World.statusField)
        {
            return
        }
        guard let last = writes[id]?.popLast(), last.written == version, before.text(of: World.versionField) == version else {
            return violation("ticket \(id): a write was taken back that is not the last one")
        }
        if after.text(of: World.versionField) != last.former {
            violation("ticket \(id): after a write was taken back, the version is not what it was")
        }
        guard before.text(of: World.statusField) != after.text(of: World.statusField) else { return }
        let status = after.text(of: World.statusField)
        if status != last.status { violation("ticket \(id): a status was put back that our write had not replaced") }
        if world.raced[id]?.status == status {
            world.raced[id] = nil
            setByHand[id] = status
        }
        if Int64(world.zendeskNow) - Int64(before.updatedAt) < 2 { violation("ticket \(id): a status was put back with a young stamp") }
    }

    private func checkVersions(
        _ before: SimulatedTicket,
        _ former: KeptVersion?,
        _ written: KeptVersion?,
        _ booking: String,
        _ isSweep: Bool
    ) {
        let history = world.history
        let position = written.map { history.position($0.version, booking) } ?? -1
        if let former, former.bookingID == booking, position >= 0 {
            let formerPosition = history.position(former.version, booking)
            if formerPosition > position, let commits = history.commits[booking],
                !history.areUnordered(commits[formerPosition], commits[position]),
                !isReadWithin(former.version, written?.version)
            {
                violation("ticket \(before.id): a newer version was replaced by an older one")
            }
        }
        if isSweep, let written, !history.couldRead(written.tag, of: booking, at: written.version) {
            violation("ticket \(before.id): the sweep's version claims a change that it has not read")
        }
    }

    /// Checks that a person's status is replaced only as the rules allow: by a change that expects
    /// it, or if it is the status that we wrote.
    private func checkHandEdit(
        _ before: SimulatedTicket,
        _ after: SimulatedTicket,
        _ former: KeptVersion?,
        _ written: KeptVersion?,
        _ booking: String,
        _ isSweep: Bool
    ) {
        let (shown, new) = (before.text(of: World.statusField), after.text(of: World.statusField))
        guard shown != new else {
            if written?.tag == new { setByHand[before.id] = nil }
            return
        }
        let isUnknown = isSweep || !world.history.capture.knowsOldValues
        let passed = (world.history.commits[booking] ?? []).enumerated().filter { index, commit in
            index > (former.map { world.history.position($0.version, booking) } ?? -1)
                && index <= (written.map { world.history.position($0.version, booking) } ?? .max)
        }
        if shown == nil, let new, isUnknown, emptiedByHand.contains(before.id), former?.bookingID == booking, former?.tag == new,
            passed.allSatisfy({ History.tag($0.element.to) == new })
        {
            violation("ticket \(before.id): a status that a person emptied was filled again")
        }
        defer {
            setByHand[before.id] = nil
            emptiedByHand.remove(before.id)
        }
        guard let hand = setByHand[before.id], shown == hand else { return }
        // A sweep may replace a leftover of another booking.
        if former?.tag == hand, former?.bookingID == booking || isSweep { return }
        let commits = world.history.commits[booking] ?? []
        let last = written.map { world.history.position($0.version, booking) } ?? commits.count - 1
        let first = former.map { $0.bookingID == booking ? world.history.position($0.version, booking) : -1 } ?? -1
        let expects = commits.indices.contains { index in
            let isTied =
                first >= 0
                && (world.history.areUnordered(commits[index], commits[first]) || isReadWithin(former!.version, written?.version))
            let isWithin = index <= last && (index > first || isTied)
            // Row 6; or row 4 first, which makes it ours, and then row 7.
            return isWithin
                && (world.history.capture.knowsOldValues && History.tag(commits[index].from) == hand
                    || History.tag(commits[index].to) == hand)
        }
        // A sweep's change may be written together with one that expects the status.
        if !expects || (isSweep && world.inFlight[booking, default: 0] == 0) {
            violation("ticket \(before.id): the status \(hand), which a person set, was overwritten")
        }
    }

    /// Whether a reading and a version share a millisecond. A reading is known to the millisecond
    /// only, so their order is unknown.
    private func isReadWithin(_ former: BookingVersion, _ written: BookingVersion?) -> Bool {
        former.transactionID == "sweep" && written.map { former.order(to: $0) == .unordered } ?? false
    }

    // MARK: Outcomes

    /// Whether a record reports a change of the booking's status.
    func isChange(_ commit: History.Commit) -> Bool {
        let capture = world.history.capture
        return capture.tellsStatus(commit.kind) && !(capture.knowsOldValues && commit.from == commit.to)
    }

    /// Records a logged outcome that ends a change.
    func told(_ bookingID: String, _ ticket: Int?, of record: Int) {
        told.insert(Told(record: record, bookingID: bookingID, ticket: nil))
        if let ticket { told.insert(Told(record: record, bookingID: bookingID, ticket: ticket)) }
    }

    func hasTold(_ bookingID: String, of record: Int) -> Bool { told.contains(Told(record: record, bookingID: bookingID, ticket: nil)) }

    /// The tickets that a record's changes should find from now on.
    func dueTickets(of record: Int) -> [String: Set<Int>] {
        var due: [String: Set<Int>] = [:]
        let bookings = Set(world.history.records[record].commits.filter(isChange).map(\.bookingID))
        for ticket in world.account.tickets.values where ticket.status != "closed" && world.indexedAt[ticket.id]! < world.elapsed {
            if let booking = ticket.text(of: World.bookingField), bookings.contains(booking) { due[booking, default: []].insert(ticket.id) }
        }
        return due
    }

    /// Checks an acknowledged record. Each ticket that still matches must have an outcome.
    ///
    /// - Parameter excused: whether a booking's changes need none.
    func acknowledged(
        _ record: Int,
        _ due: [String: Set<Int>],
        since begin: Double,
        excused: (String) -> Bool = { _ in false }
    ) {
        for commit in world.history.records[record].commits where isChange(commit) && !excused(commit.bookingID) {
            guard told.contains(Told(record: record, bookingID: commit.bookingID, ticket: nil)) else {
                violation("the change of \(commit.bookingID) in record \(record) was acknowledged without an outcome")
                continue
            }
            for ticket in due[commit.bookingID] ?? [] {
                guard let now = world.account.tickets[ticket], now.status != "closed", now.text(of: World.bookingField) == commit.bookingID,
                    world.indexedAt[ticket]! < begin, !told.contains(Told(record: record, bookingID: commit.bookingID, ticket: ticket))
                else { continue }
                // The search may have been made for another change, which this one joined.
                if world.flappedAt[ticket].map({ $0 >= begin - 60 }) ?? false || world.isUnprovable(ticket, since: begin) {
                    world.missed[ticket, default: []].insert(record)
                } else {
                    violation("record \(record) was acknowledged without an outcome for ticket \(ticket)")
                }
            }
        }
    }
}
