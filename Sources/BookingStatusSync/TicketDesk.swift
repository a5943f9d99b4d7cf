import SpannerChangeStreams
import Zendesk

/// The tickets of bookings: finds them, reads them, and writes status and version to them. It decides nothing.
struct TicketDesk: Sendable {
    let zendesk: ZendeskClient
    let settings: BookingStatusSettings

    /// The ids of the tickets that may be the booking's; which of them are, only a reading tells.
    ///
    /// - Throws: ``UnsearchableBookingID`` before anything is sent, or a `ZendeskError`.
    func ticketIDs(of bookingID: String, deadline: Deadline) async throws -> [Int] {
        guard let search = TicketSearch(customField: settings.bookingIDField, text: bookingID) else { throw UnsearchableBookingID() }
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
        return TicketState(
            isClosed: ticket.isClosed,
            bookingID: bookingID,
            tag: ticket.text(of: settings.bookingStatusField),
            kept: isTrusted == true ? kept : nil
        )
    }

    /// Writes tag and version in one update, which fails if the ticket is no longer as it was read.
    ///
    /// - Parameter writesTag: false if the tag is right already and only a newer version is written.
    func write(
        _ version: KeptVersion,
        writesTag: Bool,
        to reading: TicketReading,
        metadata: [String: String],
        deadline: Deadline
    ) async throws(ZendeskError) -> WriteResult {
        let ticket = reading.ticket
        var fields: [Int: String?] = [:]
        if writesTag { fields.updateValue(version.tag, forKey: settings.bookingStatusField) }
        if let field = settings.bookingVersionField { fields[field] = version.text }
        let update = TicketUpdate(customFields: fields, updatedStamp: ticket.updatedStamp, metadata: metadata)
        let answer = try await zendesk.update(ticket.id, update, deadline: deadline)
        guard answer.ticket.text(of: settings.bookingStatusField) == version.tag else {
            try await putBackVersion(of: ticket, insteadOf: version, on: answer.ticket, deadline: deadline)
            return .tagDropped
        }
        if let field = settings.bookingVersionField, answer.ticket.text(of: field) != version.text { return .versionDropped }
        return .written
    }

    enum WriteResult { case written, tagDropped, versionDropped }

    /// A version that stays without its tag would make the redelivery look stale, and lose the change.
    private func putBackVersion(
        of former: Ticket,
        insteadOf version: KeptVersion,
        on current: Ticket,
        deadline: Deadline
    ) async throws(ZendeskError) {
        guard let field = settings.bookingVersionField else { return }
        var current = current
        while current.text(of: field) == version.text {
            let update = TicketUpdate(customFields: [field: former.text(of: field)], updatedStamp: current.updatedStamp)
            do {
                _ = try await zendesk.update(current.id, update, deadline: deadline)
            } catch  where error.kind == .conflict || error.kind == .outcomeUnknown {
                // Whether it is put back, the next reading tells.
            }
            current = try await zendesk.ticket(current.id, deadline: deadline).ticket
        }
    }
}

/// The booking's ID cannot be searched for without changing what the query means.
struct UnsearchableBookingID: Error {}
