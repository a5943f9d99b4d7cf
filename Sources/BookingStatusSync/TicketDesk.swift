import SpannerChangeStreams
import Support
import Zendesk

/// Reads and updates the tickets of bookings. It decides nothing.
struct TicketDesk: Sendable {
    let zendesk: any TicketService
    let settings: BookingStatusSettings

    /// Reads tickets. A ticket that Zendesk leaves out is read through its own path, because only
    /// that tells whether it is gone.
    func read(_ ids: [Int], priority: CallPriority, deadline: Deadline) async throws(ZendeskError) -> [TicketFound] {
        let results = await readEach(ids, priority: priority, deadline: deadline)
        return try ids.map { id throws(ZendeskError) in try TicketFound(id: id, reading: results[id]!.get()) }
    }

    /// Reads each ticket, and returns its reading or its error.
    func readEach(_ ids: [Int], priority: CallPriority, deadline: Deadline) async -> TicketReadings {
        var results: TicketReadings = [:]
        for start in stride(from: 0, to: ids.count, by: zendesk.ticketsPerCall) {
            let part = ids[start..<min(start + zendesk.ticketsPerCall, ids.count)]
            do throws(ZendeskError) {
                for reading in try await zendesk.tickets(Array(part), priority: priority, deadline: deadline) {
                    results[reading.ticket.id] = .success(reading)
                }
            } catch {
                for id in part { results[id] = .failure(error) }
            }
            for id in part where results[id] == nil {
                do throws(ZendeskError) {
                    results[id] = .success(try await read(id, priority: priority, deadline: deadline))
                } catch {
                    results[id] = .failure(error)
                }
            }
        }
        return results
    }

    /// - Returns: nil if the ticket is gone.
    func read(_ id: Int, priority: CallPriority, deadline: Deadline) async throws(ZendeskError) -> TicketReading? {
        do throws(ZendeskError) {
            return try await zendesk.ticket(id, priority: priority, deadline: deadline)
        } catch  where error.kind == .notFound {
            return nil
        } catch {
            throw error
        }
    }

    /// Checks once a minute that the fields exist, before tickets are searched for. A hidden field
    /// reads as empty: no ticket would seem to name the booking, or none would seem to show a
    /// status.
    ///
    /// - Throws: a `ZendeskError` of kind `misconfigured` if one is missing or deactivated.
    func expectFields(priority: CallPriority, deadline: Deadline) async throws(ZendeskError) {
        for field in [settings.bookingIDField, settings.bookingStatusField, settings.bookingVersionField].compactMap(\.self) {
            _ = try await zendesk.field(field, accepts: nil, priority: priority, deadline: deadline)
        }
    }

    /// Whether the status field has an option with this tag. Zendesk silently drops any other tag.
    func accepts(_ tag: String, priority: CallPriority, deadline: Deadline) async throws(ZendeskError) -> Bool {
        try await zendesk.field(settings.bookingStatusField, accepts: tag, priority: priority, deadline: deadline)
    }

    /// Updates a ticket if it has not changed since it was read. If the answer does not show the
    /// tag that was sent, the options are read again before the next tag is sent.
    func update(
        _ id: Int,
        _ update: TicketUpdate,
        priority: CallPriority,
        deadline: Deadline
    ) async throws(ZendeskError) -> TicketUpdateAnswer {
        let answer = try await zendesk.update(id, update, priority: priority, deadline: deadline)
        if let tag = update.customFields[settings.bookingStatusField], tag != answer.ticket.text(of: settings.bookingStatusField) {
            zendesk.forgetOptions(of: settings.bookingStatusField, olderThan: .zero)
        }
        return answer
    }

    /// Takes back a write whose tag Zendesk dropped. Forgets the known options, which are wrong.
    func takeBack(
        _ id: Int,
        _ update: TicketUpdate,
        priority: CallPriority,
        deadline: Deadline
    ) async throws(ZendeskError) -> TicketUpdateAnswer {
        zendesk.forgetOptions(of: settings.bookingStatusField, olderThan: .zero)
        return try await self.update(id, update, priority: priority, deadline: deadline)
    }
}

/// The result of reading each ticket, by id. A ticket that is gone has no reading.
typealias TicketReadings = [Int: Result<TicketReading?, ZendeskError>]

/// A ticket that may belong to a booking.
struct TicketFound: Equatable, Sendable {
    var id: Int
    /// Nil if the ticket is gone.
    var reading: TicketReading?
}

extension BookingStatusSettings {
    /// The facts about the ticket that the rules need.
    ///
    /// - Parameter latest: the latest valid version, in seconds since 1970. We did not write a
    ///   later one, so it counts as none.
    func state(of ticket: Ticket, latest: Double) -> TicketState {
        let bookingID = ticket.text(of: bookingIDField)
        let tag = ticket.text(of: bookingStatusField)
        let kept = bookingVersionField.flatMap { ticket.text(of: $0) }.flatMap { KeptVersion(text: $0) }
        var state = TicketState(isClosed: ticket.isClosed, bookingID: bookingID, tag: tag)
        guard let kept, kept.version.commitTimestamp.secondsSince1970 <= latest else { return state }
        if kept.bookingID == bookingID { state.kept = kept } else { state.isLeftover = kept.tag == tag && tag != nil }
        return state
    }
}
