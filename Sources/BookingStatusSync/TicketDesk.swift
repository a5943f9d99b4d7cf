import SpannerChangeStreams
import Zendesk

/// The tickets of bookings: finds them, reads them, and writes status and version to them. It decides nothing.
struct TicketDesk: Sendable {
    let zendesk: ZendeskClient
    let settings: BookingStatusSettings

    /// The ids of the tickets that may be the booking's; which of them are, only a reading tells.
    ///
    /// - Throws: a `ZendeskError`; of kind `rejected`, before anything is sent, for an ID that would change what a search means.
    func ticketIDs(of bookingID: String, deadline: Deadline) async throws(ZendeskError) -> [Int] {
        guard let search = TicketSearch(customField: settings.bookingIDField, text: bookingID) else {
            throw ZendeskError(.rejected, "the booking's ID would change the meaning of a search")
        }
        return try await zendesk.ticketIDs(search, deadline: deadline)
    }

    func read(_ ids: [Int], deadline: Deadline) async throws(ZendeskError) -> [Int: TicketReading] {
        let readings = try await zendesk.tickets(ids, deadline: deadline)
        return Dictionary(readings.map { ($0.ticket.id, $0) }, uniquingKeysWith: { _, last in last })
    }

    /// What the rules have to know of the ticket.
    ///
    /// - Parameter latest: a version that lies after this was not written by us, and counts as none.
    func state(of ticket: Ticket, latest: Double) -> TicketState {
        let bookingID = ticket.text(of: settings.bookingIDField)
        let kept = settings.bookingVersionField.flatMap { ticket.text(of: $0) }.flatMap { KeptVersion(text: $0) }
        let isTrusted = kept.map { $0.bookingID == bookingID && $0.version.commitTimestamp.secondsSince1970 <= latest }
        let tag = ticket.text(of: settings.bookingStatusField)
        var state = TicketState(isClosed: ticket.isClosed, bookingID: bookingID, tag: tag, kept: isTrusted == true ? kept : nil)
        state.isLeftover = kept.map { $0.bookingID != bookingID && $0.tag == tag && tag != nil } ?? false
        return state
    }

    /// Whether the status field has an option with this tag; Zendesk would drop another one and say nothing.
    func accepts(_ tag: String, deadline: Deadline) async throws(ZendeskError) -> Bool {
        try await zendesk.field(settings.bookingStatusField, accepts: tag, deadline: deadline)
    }

    /// Writes tag and version in one update, which fails if the ticket is no longer as it was read.
    func write(
        _ write: BatchPlan.Write,
        to reading: TicketReading,
        metadata: [String: String],
        yields: Bool,
        deadline: Deadline
    ) async throws(ZendeskError) -> WriteResult {
        let ticket = reading.ticket
        var fields: [Int: String?] = [:]
        if write.writesTag { fields.updateValue(write.version.tag, forKey: settings.bookingStatusField) }
        if let field = settings.bookingVersionField { fields[field] = write.version.text }
        let update = TicketUpdate(customFields: fields, updatedStamp: ticket.updatedStamp, metadata: metadata)
        let answer = try await zendesk.update(ticket.id, update, yields: yields, deadline: deadline)
        guard answer.ticket.text(of: settings.bookingStatusField) == write.version.tag else {
            try await undo(write, of: ticket, on: answer.ticket, deadline: deadline)
            return .tagDropped
        }
        if write.writesTag, let replaced = answer.replaced[settings.bookingStatusField],
            replaced != ticket.text(of: settings.bookingStatusField)
        {
            // Somebody was faster by less than a second, and the stamp could not tell.
            let status = [settings.bookingStatusField: replaced]
            try await putBack(status, formerVersion: ticket, insteadOf: write.version, on: answer.ticket, deadline: deadline)
            throw ZendeskError(.conflict, "the ticket was changed within the second in which it was updated")
        }
        if let field = settings.bookingVersionField, answer.ticket.text(of: field) != write.version.text { return .versionDropped }
        return .written
    }

    enum WriteResult { case written, tagDropped, versionDropped }

    /// Takes back what is left of a write whose tag Zendesk dropped.
    ///
    /// - Parameters:
    ///   - former: the ticket as it was before the write.
    ///   - current: the ticket as it is after it.
    func undo(_ write: BatchPlan.Write, of former: Ticket, on current: Ticket, deadline: Deadline) async throws(ZendeskError) {
        zendesk.forgetOptions(of: settings.bookingStatusField)
        try await putBack([:], formerVersion: former, insteadOf: write.version, on: current, deadline: deadline)
    }

    /// Takes back a version that we wrote, and with it other fields.
    ///
    /// A version that stays without its tag would make the redelivery look stale, and lose the change.
    private func putBack(
        _ fields: [Int: String?],
        formerVersion former: Ticket,
        insteadOf version: KeptVersion,
        on current: Ticket,
        deadline: Deadline
    ) async throws(ZendeskError) {
        guard let field = settings.bookingVersionField else { return }
        var fields = fields
        fields.updateValue(former.text(of: field), forKey: field)
        var current = current
        while current.text(of: field) == version.text {
            let update = TicketUpdate(customFields: fields, updatedStamp: current.updatedStamp)
            do {
                _ = try await zendesk.update(current.id, update, deadline: deadline)
                return
            } catch  where error.kind == .conflict || error.kind == .outcomeUnknown {
                // Whether it is back, the next reading tells.
                current = try await zendesk.ticket(current.id, deadline: deadline).ticket
            }
        }
    }
}
