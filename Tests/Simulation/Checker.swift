import BookingStatusSync
import Zendesk
import ZendeskSimulator

/// Looks at everything that reaches the account, and says what must not have happened.
final class Checker {
    private unowned let world: World
    private(set) var violations: [String] = []
    /// Updates of ours that changed something.
    private(set) var updates = 0
    /// What a person has set a ticket's status to, until it is replaced rightly.
    private var setByHand: [Int: String] = [:]
    private var closedSince: [Int: Double] = [:]
    private var calls: [Call: [Double]] = [:]
    /// The outcomes that were told of each change that is done with: record and booking.
    private var told: Set<Told> = []

    private struct Call: Hashable {
        let instance: Int
        let isWrite: Bool
    }

    private struct Told: Hashable {
        let record: Int
        let bookingID: String
    }

    init(_ world: World) { self.world = world }

    func violation(_ text: String) {
        violations.append(text)
        world.trace { "!! \(text)" }
    }

    func person(set status: String?, on ticket: Int) { setByHand[ticket] = status }
    func closed(_ ticket: Int) { closedSince[ticket] = world.now }

    /// No instance makes more calls in any sixty seconds than it was given.
    func saw(_ request: ZendeskRequest, by instance: Instance, at now: Double) {
        guard request.target != "/oauth/tokens" else { return }
        let call = Call(instance: instance.number, isWrite: request.method == .put)
        let limit = call.isWrite ? world.writesPerMinute : world.readsPerMinute
        let recent = (calls[call] ?? []).filter { $0 > now - 60 } + [now]
        calls[call] = recent
        if recent.count > limit { violation("\(instance.name) made \(recent.count) \(call.isWrite ? "updates" : "reads") in a minute") }
        if request.method == .put, let ticket = Int(request.target.dropFirst("/api/v2/tickets/".count).prefix { $0 != "." }),
            let since = closedSince[ticket], now - since > 60
        {
            violation("an update was sent to ticket \(ticket), which has been closed for \(Int(now - since)) s")
        }
    }

    /// What an update of ours did.
    func wrote(_ before: SimulatedTicket, _ after: SimulatedTicket, status: Int) {
        guard status == 200, before != after, let audit = after.audits.last, let booking = audit.metadata["booking"]?.string else { return }
        world.trace {
            "    ticket \(after.id): \(before.text(of: World.statusField) ?? "-") -> \(after.text(of: World.statusField) ?? "-")"
        }
        let isSweep = audit.metadata["task"]?.string == "sweep"
        if isSweep { world.count(.sweepWrote) }
        updates += 1
        if before.text(of: World.bookingField) != booking { violation("ticket \(before.id) of another booking was written for \(booking)") }
        let history = world.history
        let former = before.text(of: World.versionField).flatMap { KeptVersion(text: $0) }
        let written = after.text(of: World.versionField).flatMap { KeptVersion(text: $0) }
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
        if isSweep, before.text(of: World.statusField) == nil, let filled = after.text(of: World.statusField),
            former?.bookingID == booking, former?.tag == filled
        {
            violation("ticket \(before.id): a status that a person emptied was filled again")
        }
        guard let hand = setByHand[before.id], before.text(of: World.statusField) == hand, after.text(of: World.statusField) != hand else {
            if before.text(of: World.statusField) != after.text(of: World.statusField) { setByHand[before.id] = nil }
            return
        }
        let newest = position >= 0 ? position : (history.commits[booking]?.count ?? 0) - 1
        let isExpected = history.commits[booking]?.prefix(newest + 1).contains { History.tag($0.from) == hand } ?? false
        if !isExpected, former?.tag != hand {
            violation("ticket \(before.id): the status \(hand), which a person set, was overwritten")
        }
        setByHand[before.id] = nil
    }

    /// A reading is known to the millisecond: of what was committed in the same one nobody can tell.
    private func isReadWithin(_ former: BookingVersion, _ written: BookingVersion?) -> Bool {
        former.transactionID == "sweep" && written.map { former.order(to: $0) == .unordered } ?? false
    }

    /// An outcome that ends a change was logged.
    func told(_ bookingID: String, of record: Int) { told.insert(Told(record: record, bookingID: bookingID)) }

    /// Nothing is acknowledged without an outcome.
    func acknowledged(_ record: Int) {
        for commit in world.history.records[record].commits where !told.contains(Told(record: record, bookingID: commit.bookingID)) {
            violation("the change of \(commit.bookingID) in record \(record) was acknowledged without an outcome")
        }
    }
}
