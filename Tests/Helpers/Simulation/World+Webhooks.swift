import BookingStatusSync
import FunctionRuntime
import Foundation
import Logging
import ZendeskSimulator

/// Messages for new tickets, which a receiver of webhooks publishes.
extension World {
    /// Tells of a ticket that is opened at a moment: late, twice, out of order, before it can be read,
    /// or never.
    func announce(_ ticket: Int, at opened: Double) {
        guard hasWebhooks else { return }
        guard !executor.chance(0.1) else { return count(.webhookLost) }
        for _ in 0..<(executor.chance(0.3) ? 2 : 1) {
            let isEarly = executor.chance(0.2)
            let moment = isEarly ? max(0, opened - executor.number(0.1...20.0)) : opened + executor.number(0.05...(isChaos ? 90.0 : 1.0))
            at(moment) { await self.deliver(ticket, opened: opened) }
        }
    }

    private func deliver(_ ticket: Int, opened: Double) async {
        nextMessage += 1
        let messageID = "w\(nextMessage)"
        let publishedAt = elapsed
        for attempt in 1...maximumAttempts where !Task.isCancelled {
            let index = executor.number(0...(instances.count - 1))
            let instance = instances[index]
            let begin = elapsed
            count(begin < opened ? .webhookEarly : .webhook)
            instance.given += 1
            trace { "new ticket \(ticket), delivery \(attempt) as \(messageID) to \(instance.name)" }
            let isDone = await handle(message(messageID, ticket, publishedAt, attempt), context(messageID), instance)
            if isDone {
                judge(ticket, opened: opened, since: begin)
                guard isChaos, executor.chance(0.1) else { return }
                await wait(until: elapsed + executor.number(0.1...600.0))
            } else {
                if !instance.isAlive, instances[index] === instance { instances[index] = newInstance() }
                await wait(until: elapsed + min(600, 10 * Double(1 << min(attempt - 1, 6))) * executor.number(0.8...1.2))
            }
        }
    }

    private func message(_ id: String, _ ticket: Int, _ publishedAt: Double, _ attempt: Int) -> PubSubMessage {
        // For a mutant: a ticket that cannot be read is never waited for.
        let isOld = mutant == .newTicketTakenForGone
        return PubSubMessage(
            id: id,
            data: Data(),
            attributes: ["task": "ticket", "ticket": "\(ticket)"],
            publishTime: Date(timeIntervalSince1970: History.start + publishedAt - (isOld ? 3600 : 0)),
            deliveryAttempt: isOld ? 10 : hasDeadLetters ? attempt : nil
        )
    }

    private func context(_ messageID: String) -> FunctionContext {
        let end = executor.now + .seconds(30)
        let logger = Logger(label: "s") { _ in
            OutcomeLog { metadata in
                guard let outcome = metadata["outcome"] else { return }
                if outcome == "added" || outcome == "updated" { self.count(.webhookFilled) }
                self.trace { "    \(messageID) ticket \(metadata["ticket"] ?? "-"): \(outcome) \(metadata["reason"] ?? "")" }
            }
        }
        return FunctionContext(eventID: messageID, executionID: messageID, logger: logger) { [executor] in end - executor.now }
    }

    /// Checks what an acknowledgment promises: the ticket could be read, and shows a status if its
    /// booking had one all the time, and no older change was still on its way.
    private func judge(_ id: Int, opened: Double, since begin: Double) {
        guard let ticket = account.tickets[id] else {
            // By then it may only have been deleted.
            if elapsed < opened, opened - begin < 100 { checker.violation("the message for ticket \(id) was done before it could be read") }
            return
        }
        // Where the token's owner has lost the brand, the ticket looks deleted.
        guard !isDryRun, !(losesBrand && isBlind), ticket.status != "closed", touches[id] == nil, raced[id] == nil,
            counts[.optionMissing] == nil,
            counts[.fieldHidden] == nil, badTicket?.id != id, !garbled.contains(id),
            let bookingID = ticket.text(of: Self.bookingField), !isTwiceInSpanner(bookingID)
        else { return }
        let (first, last) = (Int64(begin * 1_000_000), Int64(elapsed * 1_000_000))
        let commits = history.commits[bookingID] ?? []
        let isSettled = history.records.indices.allSatisfy { record in
            (published[record].map { $0 > elapsed } ?? true) || acknowledged[record].map { $0 < begin } ?? false
                || !history.records[record].commits.contains { $0.bookingID == bookingID }
        }
        guard isSettled, !commits.contains(where: { (first...last).contains($0.microseconds) }), history.exists(bookingID, at: first),
            let status = history.status(bookingID, at: first), !unversioned.contains(id), copiedUnfinished[id] == nil,
            ticket.text(of: Self.statusField) != History.tag(status)
        else { return }
        let shown = ticket.text(of: Self.statusField) ?? "nothing"
        checker.violation("the message for ticket \(id) is done, and the ticket shows \(shown) instead of \(status)")
    }
}
