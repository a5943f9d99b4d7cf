import BookingStatusSync
import Foundation
import ZendeskSimulator

/// Judges the final state of every ticket.
extension World {
    /// Checks every ticket. One that the newest change could find must show the booking's status.
    /// One that a person touched must show what the rules make of it.
    ///
    /// - Returns: the known limits of the rules that left tickets wrong.
    func judge() -> [KnownLimit] {
        var known: [KnownLimit] = []
        // A dry run writes nothing, which the checker has seen.
        guard !isDryRun else { return [] }
        for ticket in account.tickets.values.sorted(by: { $0.id < $1.id }) where ticket.status != "closed" {
            if let badTicket, badTicket.isHopeless, badTicket.id == ticket.id { continue }
            if overtaken.contains(ticket.id) {
                known.append(.replacedInRace)
                continue
            }
            if let replaced = raced[ticket.id] {
                // A violation, unless the instance that must put it back has ended, or has not seen
                // the ticket since.
                if sweeps, ticket.status != "solved", ticket.text(of: Self.bookingField) != nil, replaced.by === instances.first,
                    replaced.isKnown
                {
                    checker.violation("ticket \(ticket.id): the status \(replaced.status), which a person set, was not put back")
                } else {
                    known.append(.replacedInRace)
                }
                continue
            }
            if let touch = touches[ticket.id] { judgeTouched(ticket, touch) }
            if let limit = judgeShown(ticket, touches[ticket.id]) { known.append(limit) }
        }
        return known
    }

    /// Checks what a ticket shows: the booking's status, or what a person set last.
    private func judgeShown(_ ticket: SimulatedTicket, _ touch: Touch?) -> KnownLimit? {
        guard let bookingID = ticket.text(of: Self.bookingField) else { return nil }
        // Sweeps do not repair solved tickets.
        let sweeps = sweeps && ticket.status != "solved"
        guard let commits = history.commits[bookingID] ?? (sweeps ? [] : nil) else { return nil }
        if !sweeps {
            // No record reported the booking; or a person's edit was undone, which only sweeps
            // repair.
            guard commits.contains(where: checker.isChange) else { return nil }
            if self.sweeps, editsByHand[ticket.id] != nil { return nil }
        }
        let shown = ticket.text(of: Self.statusField)
        let expected = History.tag(history.finalStatus(bookingID, withTimeToLive: sweeps))
        let records = self.records(of: bookingID)
        let isLate = records.last.map { indexedAt[ticket.id]! > published[$0]! || missed[ticket.id]?.contains($0) == true } ?? false
        // A sweep may have written it before it was solved.
        if self.sweeps, !sweeps, shown == History.tag(history.finalStatus(bookingID)) { return nil }
        if shown == expected {
            if isLate, sweeps, shown != nil { count(.lateTicketFilled) }
            return nil
        }
        // The message for a new ticket has seen that the booking's time to live had ended.
        if hasWebhooks, shown == History.tag(history.finalStatus(bookingID)) { return nil }
        if let touch {
            count(.judgedTouched)
            if shown == touch.tag || shown == everRaced[ticket.id] { return nil }
        }
        // If the booking does not exist, a status from before us stays.
        if expected == nil, unversioned.contains(ticket.id), ticket.text(of: Self.versionField) == nil { return nil }
        if isLate, !sweeps { return .lateTicket }
        if unversioned.contains(ticket.id), !history.capture.knowsOldValues { return .unversionedWithoutOldValues }
        if unversioned.contains(ticket.id), let first = records.first,
            indexedAt[ticket.id]! > published[first]! || missed[ticket.id]?.isEmpty == false
        {
            return .unversionedUnseen
        }
        if unversioned.contains(ticket.id), isReorderedBeyondWindow(records) { return .unversionedBeyondWindow }
        if let touch, touch.kept == nil, touch.bookingID == bookingID { return .versionByHand }
        if readWhileHidden[ticket.id] != nil || writtenWhileHidden.contains(ticket.id) { return .hiddenField }
        if !sweeps, isReversedWithinMillisecond(commits) { return .reversalWithinMillisecond }
        // The other of two unordered changes fills a field that a person emptied in between.
        if !sweeps, touch != nil, commits.indices.dropFirst().contains(where: { history.areUnordered(commits[$0 - 1], commits[$0]) }) {
            return .reversalWithinMillisecond
        }
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

    /// Checks a ticket that a person touched. It follows its booking again as far as the rules
    /// reach: by the old status of a later change, in order and with no earlier delivery after the
    /// edit.
    private func judgeTouched(_ ticket: SimulatedTicket, _ touch: Touch) {
        guard !sweeps, history.capture.knowsOldValues, keepsVersions, counts[.optionMissing] == nil, counts[.fieldHidden] == nil,
            let bookingID = touch.bookingID, ticket.text(of: Self.bookingField) == bookingID, let commits = history.commits[bookingID],
            !isReversedWithinMillisecond(commits), missed[ticket.id] == nil,
            everRaced[ticket.id] == nil
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

    /// Whether the order of commits is unknown in a case that the rules do not cover.
    /// Either there are two, and the later one leads back to a status that a ticket may still show
    /// (even none), or does not report the status it replaces. Or there are three, and the last one
    /// came before the second.
    private func isReversedWithinMillisecond(_ commits: [History.Commit]) -> Bool {
        commits.indices.contains { index in
            let earlier = [commits[0].from] + commits[..<index].map(\.to)
            let unordered = commits[index...].dropFirst().filter { history.areUnordered(commits[index], $0) }
            return unordered.count > 1
                || unordered.contains { $0.to == nil || earlier.contains($0.to) || !history.capture.knowsOldValues }
        }
    }

    /// Whether a sweep's version, which is cut to milliseconds, shares its millisecond with a
    /// change that does not report the status it replaces.
    private func isSweptWithinMillisecond(_ ticket: SimulatedTicket, _ commits: [History.Commit]) -> Bool {
        guard !history.capture.knowsOldValues, let kept = ticket.text(of: Self.versionField).flatMap({ KeptVersion(text: $0) }),
            kept.version.transactionID == "sweep"
        else { return false }
        let readAt = History.microseconds(kept.version.commitTimestamp)
        return commits.contains { $0.bookingID == kept.bookingID && $0.microseconds / 1000 == readAt / 1000 }
    }
}
