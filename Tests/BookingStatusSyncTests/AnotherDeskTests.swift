import BookingStatusSync
import Foundation
import FunctionRuntime
import Logging
import Synchronization
import TestSupport
import Testing
import Support
import Zendesk

@Suite("A ticket desk other than Zendesk")
struct AnotherDeskTests {
    @Test("the handler updates the tickets of an in-memory desk by the same rules")
    func another() async throws {
        let desk = MemoryDesk([(1, "b-1", nil), (2, "b-1", "t_booked"), (3, "b-2", nil)])
        var settings = BookingStatusSettings(
            bookingIDField: MemoryDesk.booking,
            bookingStatusField: MemoryDesk.status,
            bookingVersionField: MemoryDesk.version,
            tags: ["Tentative": "t_tentative", "Booked": "t_booked", "InStay": "t_in_stay"]
        )
        settings.sharesCalls = false
        let handler = BookingStatusHandler(settings: settings, zendesk: desk, time: ManualTime(maximumPause: .seconds(20)).source)
        let context = FunctionContext(eventID: "1", executionID: "1", logger: .silent) { .seconds(30) }
        for (from, to, second) in [("Booked", "InStay", 2), ("Tentative", "Booked", 1)] {
            let record = """
                {"tableName":"Bookings","modType":"UPDATE","commitTimestamp":"2026-11-23T20:13:0\(second).5Z",\
                "recordSequence":"0","serverTransactionId":"t\(second)","mods":[{"keysJson":"{\\"ID\\":\\"b-1\\"}",\
                "oldValuesJson":"{\\"Status\\":\\"\(from)\\"}","newValuesJson":"{\\"Status\\":\\"\(to)\\"}"}]}
                """
            let message = PubSubMessage(id: "\(second)", data: Data(record.utf8))
            try await handler.whileRunning { try await handler.handle(message, context: context) }
        }
        #expect(desk.statuses == [1: "t_in_stay", 2: "t_in_stay"])
    }
}

private final class MemoryDesk: TicketService {
    static let (booking, status, version) = (1, 2, 3)
    private let stored: Mutex<[Int: Ticket]>

    init(_ tickets: [(id: Int, booking: String, tag: String?)]) {
        stored = Mutex(
            Dictionary(
                uniqueKeysWithValues: tickets.map { id, booking, tag in
                    var fields: [Int: FieldValue] = [Self.booking: .text(booking)]
                    fields[Self.status] = tag.map { .text($0) }
                    return (id, Ticket(id: id, status: "open", updatedStamp: "2026-11-23T20:00:00Z", customFields: fields))
                }
            )
        )
    }

    var statuses: [Int: String] { stored.withLock { $0.compactMapValues { $0.text(of: Self.status) } } }

    func ticketIDs(holding text: String, in field: Int, deadline: Deadline) -> [Int] {
        stored.withLock { $0.values.filter { $0.text(of: field) == text }.map(\.id).sorted() }
    }

    func tickets(_ ids: [Int], priority: CallPriority, deadline: Deadline) -> [TicketReading] {
        stored.withLock { stored in ids.compactMap { stored[$0].map { TicketReading(ticket: $0, readAt: 2_000_000_000) } } }
    }

    func ticket(_ id: Int, priority: CallPriority, deadline: Deadline) throws(ZendeskError) -> TicketReading {
        guard let reading = tickets([id], priority: priority, deadline: deadline).first else { throw ZendeskError(.notFound, "gone") }
        return reading
    }

    func field(_ field: Int, accepts tag: String?, priority: CallPriority, deadline: Deadline) -> Bool { true }

    func audits(of id: Int, priority: CallPriority, deadline: Deadline) -> [TicketAudit] { [] }

    func update(
        _ id: Int,
        _ update: TicketUpdate,
        priority: CallPriority,
        deadline: Deadline
    ) throws(ZendeskError) -> TicketUpdateAnswer {
        let ticket = stored.withLock { stored -> Ticket? in
            guard var ticket = stored[id], ticket.updatedStamp == update.updatedStamp else { return nil }
            for (field, text) in update.customFields { ticket.customFields[field] = text.map { .text($0) } }
            stored[id] = ticket
            return ticket
        }
        guard let ticket else { throw ZendeskError(.conflict, "the ticket has changed") }
        return TicketUpdateAnswer(ticket: ticket)
    }
}

extension Logger {
    fileprivate static var silent: Logger { Logger(label: "test") { _ in SwiftLogNoOpLogHandler() } }
}
