import BookingStatusSync
import Foundation
import Zendesk
import ZendeskSimulator

/// Tickets, the people who work on them, and the administrators of the account.
extension World {
    func openTickets() {
        var id = 0
        func open(_ bookingID: String, status: String? = nil, isLate: Bool = false) {
            id += 1
            var fields: [Int: JSON] = [Self.bookingField: .string(bookingID)]
            if let status { fields[Self.statusField] = .string(status) }
            let opened = isLate ? executor.number(0.0...chaosEnds) : -3600
            let ticket = SimulatedTicket(id: id, subject: "T", createdAt: zendeskNow + opened, customFields: fields)
            indexedAt[id] = opened + account.searchLag.upperBound
            if isLate || executor.chance(0.2) { announce(id, at: max(0, opened)) }
            guard isLate else { return account.put(ticket, now: zendeskNow + opened) }
            count(.lateTicket)
            at(opened) { self.account.put(ticket, now: self.zendeskNow) }
        }
        for bookingID in history.commits.keys.sorted() where !bookingID.hasPrefix("BULK") {
            for _ in 0..<(executor.chance(0.1) ? executor.number(3...5) : executor.number(1...2)) {
                // Some tickets got a status by hand before the function existed.
                if let status = history.commits[bookingID]?.first?.from, executor.chance(0.5) {
                    count(.unversionedStatus)
                    unversioned.insert(id + 1)
                    open(bookingID, status: History.tag(status)!, isLate: executor.chance(0.15))
                } else {
                    open(bookingID, isLate: executor.chance(0.15))
                }
            }
        }
        if history.records.contains(where: \.isAmbiguous) { open("BK-9") }
        // Tickets of other bookings, which a search uses as its proof.
        if history.isCrowd {
            for bookingID in Self.others.prefix(executor.number(0...Self.others.count)) {
                standBy.append(id + 1)
                open(bookingID)
            }
        }
        for bookingID in history.bulk where executor.chance(0.4) { open(bookingID) }
        drawBadTicket()
    }

    private func drawBadTicket() {
        // Where four updates a minute are allowed, the tries of one ticket leave none to others.
        guard mutant == .badTicketFailsPage || executor.chance(0.12), !isTight else { return }
        let tickets = account.tickets.values.filter { $0.text(of: Self.bookingField).map { history.commits[$0] != nil } ?? false }
        guard !tickets.isEmpty else { return }
        let ticket = executor.pick(tickets.sorted { $0.id < $1.id })
        badTicket = BadTicket(
            id: ticket.id,
            bookingID: ticket.text(of: Self.bookingField)!,
            kind: executor.pick(BadTicket.Kind.allCases),
            status: executor.pick([403, 500, 504])
        )
        trace { "ticket \(ticket.id) is bad: \(self.badTicket!.kind)" }
    }

    /// Gives the ticket that is to prove a search the ID of a booking in that search, just when the
    /// search is made.
    func rebookWitness(of terms: [String]) {
        guard terms.count > 2,
            let id = standBy.first(where: { account.tickets[$0]?.text(of: Self.bookingField) == terms[terms.count - 1] }),
            account.searchLag.upperBound == 0
        else { return }
        count(.standByRebooked)
        setBooking(terms[1], on: id)
        touch(id)
        trace { "ticket \(id), a witness, is of \(terms[1]) now" }
    }

    private func setBooking(_ bookingID: String, on id: Int) {
        // A ticket that leaves a list of several pages moves others to another page.
        if pageLimits.items < 100 {
            for other in account.tickets.values where other.text(of: Self.bookingField) == account.tickets[id]?.text(of: Self.bookingField)
            {
                flappedAt[other.id] = elapsed
            }
        }
        edit(id) { $0.customFields[Self.bookingField] = .string(bookingID) }
        indexedAt[id] = elapsed + account.searchLag.upperBound
    }

    private static let others = ["VIP-40", "HL-1", "HL-2", "HL-11", "QT 5", "QT 6"]

    /// Closes or solves a ticket of another booking, or gives it another booking's ID.
    func interfereWithOthers() {
        let open = standBy.filter { account.tickets[$0].map { $0.status != "closed" } ?? false }
        guard !open.isEmpty else { return }
        count(.standByRebooked)
        let id = executor.pick(open)
        switch executor.number(0...2) {
        case 0:
            checker.closed(id)
            edit(id) { $0.status = "closed" }
        case 1:
            let booking = executor.pick(History.bookings + Self.others)
            setBooking(booking, on: id)
            touch(id)
        default: edit(id) { $0.status = "solved" }
        }
        trace { "ticket \(id) of another booking: \(self.account.tickets[id]?.text(of: Self.bookingField) ?? "-")" }
    }

    private func openIDs() -> [Int] { account.tickets.values.filter { $0.status != "closed" }.map(\.id).sorted() }

    private func edit(_ id: Int, _ change: (inout SimulatedTicket) -> Void) {
        lookAtJobs()
        account.edit(id, now: zendeskNow, change)
    }

    /// Records a ticket's state after a person touched it.
    func touch(_ id: Int) {
        editsByHand[id, default: 0] += 1
        guard let ticket = account.tickets[id] else { return }
        let bookingID = ticket.text(of: Self.bookingField)
        let kept = ticket.text(of: Self.versionField).flatMap { KeptVersion(text: $0) }
        touches[id] = Touch(
            at: elapsed,
            tag: ticket.text(of: Self.statusField),
            kept: kept.flatMap { $0.bookingID == bookingID ? $0 : nil },
            bookingID: bookingID
        )
        raced[id] = nil
    }

    /// Makes a random edit, as a person does in Zendesk's pages.
    func interfere() {
        let open = openIDs()
        guard !open.isEmpty else { return }
        let id = executor.pick(open)
        let moment = elapsed
        switch mutant == .handEditKeepsVersion ? 0 : executor.number(0...13) {
        case 0...2: setStatus(id)
        case 13: emptyStatus(id)
        case 3...5:
            count(.editedOther)
            edit(id) { $0.subject = "edited at \(moment)" }
        case 6:
            count(.clearedVersion)
            let text = executor.pick(["", "garbled", "none since yesterday"])
            edit(id) { $0[Self.versionField] = .string(text) }
            garbled.insert(id)
            touch(id)
        case 7:
            count(.correctedBooking)
            let isOurs = isOurs(id)
            let booking = executor.pick(history.isCrowd ? History.bookings : ["BK-1", "BK-12", "BK-3"])
            setBooking(booking, on: id)
            if sweeps { announce(id, at: elapsed) }
            if sweeps, isOurs { editsByHand[id, default: 0] += 1 } else { touch(id) }
        case 8:
            count(.emptiedBooking)
            edit(id) { $0[Self.bookingField] = .null }
            touch(id)
        case 9:
            count(.deletedTicket)
            let isMerged = executor.chance(0.5)
            if isMerged {
                checker.closed(id)
                edit(id) { $0.status = "closed" }
            } else {
                account.delete(id, keepsIndex: executor.chance(0.7))
            }
            trace { "ticket \(id) was \(isMerged ? "merged" : "deleted")" }
            return
        case 10...11:
            count(.solvedTicket)
            edit(id) { $0.status = "solved" }
            if executor.chance(0.6) {
                at(elapsed + executor.number(1.0...600.0)) {
                    guard self.account.tickets[id]?.status == "solved" else { return }
                    self.count(.reopenedTicket)
                    self.edit(id) { $0.status = "open" }
                    self.trace { "ticket \(id) is open again" }
                }
            }
        default:
            count(.closedTicket)
            checker.closed(id)
            edit(id) { $0.status = "closed" }
        }
        trace {
            let ticket = self.account.tickets[id]!
            let fields = ticket.customFields.sorted { $0.key < $1.key }.map { $0.value.string ?? "" }
            return "a person edited ticket \(id): \(ticket.status) \(fields)"
        }
    }

    /// Whether the ticket's status is empty, or the one that we wrote last.
    private func isOurs(_ id: Int) -> Bool {
        guard let ticket = account.tickets[id] else { return false }
        let kept = ticket.text(of: Self.versionField).flatMap { KeptVersion(text: $0) }
        return ticket.text(of: Self.statusField).map { $0 == kept?.tag } ?? true
    }

    private func hasVersion(_ id: Int) -> Bool { account.tickets[id]?.customFields[Self.versionField] != nil }

    private func setStatus(_ id: Int) {
        count(.editedStatus)
        let expected = history.commits[account.tickets[id]?.text(of: Self.bookingField) ?? ""]?.compactMap(\.from) ?? []
        let statuses = mutant == .handEditKeepsVersion && !expected.isEmpty ? expected : History.statuses + ["VIP", "VIP"]
        let tag = History.tag(executor.pick(statuses))!
        edit(id) { $0.customFields[Self.statusField] = .string(tag) }
        checker.person(set: tag, on: id)
        touch(id)
    }

    /// Edits a ticket at the moment of our update.
    func editInSameSecond(_ id: Int) {
        guard account.tickets[id].map({ $0.status != "closed" }) ?? false else { return }
        count(.editedInSameSecond)
        if executor.chance(0.5) {
            setStatus(id)
        } else {
            edit(id) { $0.subject += "." }
        }
        trace { "a person edited ticket \(id) in the same second" }
    }

    /// Sets the status between Zendesk's check of the stamp and the update. Only the audit shows
    /// it.
    ///
    /// - Returns: the tag that was set; nil if none was.
    func editInRace(_ id: Int) -> String? {
        lookAtJobs()
        guard keepsVersions, var ticket = account.tickets[id], ticket.status != "closed" else { return nil }
        let tag = History.tag("VIP")!
        guard ticket.text(of: Self.statusField) != tag else { return nil }
        let before = ticket
        ticket.customFields[Self.statusField] = .string(tag)
        ticket.noteChanges(since: before, at: zendeskNow)
        account.put(ticket, now: zendeskNow)
        trace { "a person set ticket \(id) to \(tag) between the check and the update" }
        return tag
    }

    // MARK: Damage that only sweeps repair

    func interfereWithSweeps() async {
        let open = openIDs()
        guard !open.isEmpty else { return }
        switch executor.number(0...2) {
        case 0: followUp(of: executor.pick(account.tickets.keys.sorted()))
        case 1: await setAndUndo(executor.pick(open))
        default:
            let id = executor.pick(open)
            emptyStatus(id)
        }
    }

    private func emptyStatus(_ id: Int) {
        guard account.tickets[id]?.text(of: Self.statusField) != nil else { return }
        count(.emptiedStatus)
        edit(id) { $0[Self.statusField] = .null }
        checker.person(set: nil, on: id)
        touch(id)
        trace { "a person emptied the status of ticket \(id)" }
    }

    /// A guest replies to a closed ticket. The new ticket copies the fields of the old one.
    private func followUp(of source: Int) {
        guard let former = account.tickets[source] else { return }
        count(.followUp)
        lastFollowUp = 1000 + max(lastFollowUp, account.tickets.keys.max() ?? 0)
        let id = lastFollowUp
        account.put(SimulatedTicket(id: id, subject: "T", createdAt: zendeskNow, customFields: former.customFields), now: zendeskNow)
        indexedAt[id] = elapsed + account.searchLag.upperBound
        announce(id, at: elapsed)
        if touches[source] != nil { touch(id) }
        if hasVersion(source), !isOurs(source) { copiedUnfinished[id] = former.customFields }
        if unversioned.contains(source) { unversioned.insert(id) }
        if let moment = readWhileHidden[source] { readWhileHidden[id] = moment }
        trace { "ticket \(id) follows up ticket \(source)" }
    }

    private func setAndUndo(_ id: Int) async {
        guard let former = account.tickets[id]?[Self.statusField] else { return }
        let formerTouch = touches[id]
        setStatus(id)
        let edits = editsByHand[id]
        let set = account.tickets[id]?[Self.statusField]
        await wait(until: elapsed + executor.number(1.0...600.0))
        guard let ticket = account.tickets[id], ticket.status != "closed", ticket[Self.statusField] == set,
            editsByHand[id] == edits
        else { return }
        count(.undoneEdit)
        edit(id) { $0[Self.statusField] = former }
        checker.person(set: formerTouch != nil ? former.string : nil, on: id)
        // If we wrote meanwhile, or never wrote, the ticket is not what it was to us.
        if formerTouch == nil, isOurs(id), former != .null || !hasVersion(id) { touches[id] = nil } else { touch(id) }
        trace { "a person set ticket \(id) back to \(former.string ?? "nothing")" }
    }

    // MARK: Administrators

    /// Removes an option for a while, as an administrator can.
    func removeOption() async {
        await wait(until: executor.number(0.0...chaosEnds))
        guard let index = account.fields.firstIndex(where: { $0.id == Self.statusField }) else { return }
        count(.optionMissing)
        let removed = account.fields[index].options?.first { $0.tag == History.tag(executor.pick(History.statuses)) }
        account.fields[index].options?.removeAll { $0 == removed }
        trace { "the option \(removed?.tag ?? "") is removed" }
        await wait(until: min(chaosEnds, elapsed + executor.number(1.0...300.0)))
        if let removed, let index = account.fields.firstIndex(where: { $0.id == Self.statusField }) {
            account.fields[index].options?.append(removed)
        }
        trace { "the option is back" }
    }

    /// Deactivates a field, or deletes and restores it, as an administrator can. Its values are
    /// hidden meanwhile.
    func hideField() async {
        await wait(until: executor.number(0.0...chaosEnds))
        let id = executor.pick(
            [Self.bookingField, Self.statusField, Self.statusField] + (keepsVersions ? [Self.versionField, Self.versionField] : [])
        )
        guard let index = account.fields.firstIndex(where: { $0.id == id }) else { return }
        count(.fieldHidden)
        hiddenSince = elapsed
        let isDeleted = executor.chance(0.5)
        var field = account.fields[index]
        if isDeleted { account.fields.remove(at: index) } else { account.fields[index].isActive = false }
        trace { "the field \(id) is \(isDeleted ? "deleted" : "deactivated")" }
        await wait(until: min(chaosEnds, elapsed + executor.number(10.0...900.0)))
        if let index = account.fields.firstIndex(where: { $0.id == id }) { field = account.fields.remove(at: index) }
        field.isActive = true
        account.fields.append(field)
        account.fields.sort { $0.id < $1.id }
        hiddenSince = nil
        trace { "the field is back" }
    }
}
