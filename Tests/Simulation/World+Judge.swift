import BookingStatusSync
import Foundation
import ZendeskSimulator

/// What every ticket has to show in the end.
extension World {
    /// Every ticket that the newest change could find shows the booking's status; one that a person
    /// touched, what the rules make of that.
    ///
    /// - Returns: the tickets that are wrong by a known limit of the rules.
    func judge() -> [KnownLimit] {
        var known: [KnownLimit] = []
        for ticket in account.tickets.values.sorted(by: { $0.id < $1.id }) where ticket.status != "closed" {
            if overtaken.contains(ticket.id) {
                known.append(.replacedInRace)
                continue
            }
            if let replaced = raced[ticket.id] {
                // The instance that has to put it back has ended; or it has not seen the ticket
                // since.
                if sweeps, ticket.status != "solved", ticket.text(of: Self.bookingField) != nil, replaced.by === instances.first,
                    replaced.isKnown
                {
                    checker.violation("ticket \(ticket.id): the status \(replaced.status), which a person set, was not put back")
                } else {
                    known.append(.replacedInRace)
                }
                continue
            }
            if let touch = touches[ticket.id] {
                judgeTouched(ticket, touch)
                continue
            }
            if let limit = judgeUntouched(ticket) { known.append(limit) }
        }
        return known
    }

    private func judgeUntouched(_ ticket: SimulatedTicket) -> KnownLimit? {
        guard let bookingID = ticket.text(of: Self.bookingField) else { return nil }
        // A solved ticket is no sweep's.
        let sweeps = sweeps && ticket.status != "solved"
        guard let commits = history.commits[bookingID] ?? (sweeps ? [] : nil) else { return nil }
        if !sweeps {
            // Nobody said anything of the booking; or a person's edit was undone, which only sweeps
            // make good for.
            guard commits.contains(where: checker.isChange) else { return nil }
            if self.sweeps, editsByHand[ticket.id] != nil { return nil }
        }
        let shown = ticket.text(of: Self.statusField)
        let expected = History.tag(history.finalStatus(bookingID, withTimeToLive: sweeps))
        let records = self.records(of: bookingID)
        let isLate = records.last.map { indexedAt[ticket.id]! > published[$0]! || missed[ticket.id]?.contains($0) == true } ?? false
        // A solved one may have been swept before.
        if self.sweeps, !sweeps, shown == History.tag(history.finalStatus(bookingID)) { return nil }
        if shown == expected {
            if isLate, sweeps, shown != nil { count(.lateTicketFilled) }
            return nil
        }
        // Of a booking that is not there, what was there before us stays.
        if expected == nil, unversioned.contains(ticket.id), ticket.text(of: Self.versionField) == nil { return nil }
        if isLate, !sweeps { return .lateTicket }
        if unversioned.contains(ticket.id), !history.capture.knowsOldValues { return .unversionedWithoutOldValues }
        if unversioned.contains(ticket.id), let first = records.first,
            indexedAt[ticket.id]! > published[first]! || missed[ticket.id]?.isEmpty == false
        {
            return .unversionedUnseen
        }
        if unversioned.contains(ticket.id), isReorderedBeyondWindow(records) { return .unversionedBeyondWindow }
        if readWhileHidden[ticket.id] != nil || writtenWhileHidden.contains(ticket.id) { return .hiddenField }
        if !sweeps, isReversedWithinMillisecond(commits) { return .reversalWithinMillisecond }
        if !sweeps, isSweptWithinMillisecond(ticket, commits) { return .sweptWithinMillisecond }
        if let copied = copiedUnfinished[ticket.id], copied == ticket.customFields { return .copiedUnfinished }
        checker.violation("ticket \(ticket.id) of \(bookingID) shows \(shown ?? "nothing") instead of \(expected ?? "nothing")")
        return nil
    }

    private func records(of bookingID: String) -> [Int] {
        history.records.indices.filter { record in
            !history.records[record].isAmbiguous
                && history.records[record].commits.contains { $0.bookingID == bookingID && checker.isChange($0) }
        }
    }

    /// A ticket that a person touched follows its booking again as far as the rules reach: by the
    /// old status of a change that came later, in order and with nothing from before.
    private func judgeTouched(_ ticket: SimulatedTicket, _ touch: Touch) {
        guard !sweeps, history.capture.knowsOldValues, keepsVersions, counts[.optionMissing] == nil, counts[.fieldHidden] == nil,
            let bookingID = touch.bookingID, ticket.text(of: Self.bookingField) == bookingID, let commits = history.commits[bookingID],
            !isReversedWithinMillisecond(commits), missed[ticket.id] == nil,
            !everRaced.contains(ticket.id)
        else { return }
        let records = self.records(of: bookingID)
        let later = records.filter { published[$0]! > touch.at }
        guard let first = later.first, later.elementsEqual(records.suffix(later.count)), indexedAt[ticket.id]! < published[first]!,
            records.filter({ $0 < first }).allSatisfy({ lastDelivery[$0]! < touch.at }),
            zip(later, later.dropFirst()).allSatisfy({ lastDelivery[$0.0]! < published[$0.1]! })
        else { return }
        var shown = touch.tag
        var isOurs = touch.kept.map { $0.tag == touch.tag } ?? false
        for commit in later.flatMap({ history.records[$0].commits }) where commit.bookingID == bookingID && checker.isChange(commit) {
            let (from, to) = (History.tag(commit.from), History.tag(commit.to))
            if shown == nil || shown == from || shown == to || isOurs { (shown, isOurs) = (to, true) }
        }
        count(.judgedTouched)
        if ticket.text(of: Self.statusField) != shown {
            checker.violation(
                "ticket \(ticket.id), which a person touched, shows "
                    + "\(ticket.text(of: Self.statusField) ?? "nothing") instead of \(shown ?? "nothing")"
            )
        }
    }

    private func isReorderedBeyondWindow(_ records: [Int]) -> Bool {
        var window = 120.0
        if case .instances(let error) = clocks { window -= abs(error) }
        return zip(records, records.dropFirst()).contains { former, latter in
            acknowledged[former]! > published[latter]! + window
        }
    }

    /// Two changes that cannot be ordered, of which the later one leads back to what a ticket may
    /// still show, be it nothing, or does not say what it replaces; or three, of which the last one
    /// came before the second.
    private func isReversedWithinMillisecond(_ commits: [History.Commit]) -> Bool {
        commits.indices.contains { index in
            let earlier = [commits[0].from] + commits[..<index].map(\.to)
            let unordered = commits[index...].dropFirst().filter { history.areUnordered(commits[index], $0) }
            return unordered.count > 1
                || unordered.contains { $0.to == nil || earlier.contains($0.to) || !history.capture.knowsOldValues }
        }
    }

    /// A sweep's version, which is cut to milliseconds, and a change of the same millisecond that
    /// does not tell what it replaces.
    private func isSweptWithinMillisecond(_ ticket: SimulatedTicket, _ commits: [History.Commit]) -> Bool {
        guard !history.capture.knowsOldValues, let kept = ticket.text(of: Self.versionField).flatMap({ KeptVersion(text: $0) }),
            kept.version.transactionID == "sweep"
        else { return false }
        let readAt = History.microseconds(kept.version.commitTimestamp)
        return commits.contains { $0.bookingID == kept.bookingID && $0.microseconds / 1000 == readAt / 1000 }
    }
}
