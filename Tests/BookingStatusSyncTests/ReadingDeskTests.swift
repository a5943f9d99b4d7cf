import Foundation
import Synchronization
import TestSupport
import Testing
import Support
import Zendesk

@testable import BookingStatusSync

/// Requests that share a call are independent. A problem with one request's ticket does not affect
/// the others.
@Suite("Reading tickets together")
struct ReadingDeskTests {
    private let world = HandlerWorld()

    /// Reads tickets 1 and 2, and then 3, as two requests that one call answers.
    private func readings() async -> (first: TicketReadings, second: TicketReadings) {
        for id in 1...3 { world.open(id, booking: "b") }
        let client = ZendeskClient(transport: world.transport, credentials: .accessToken("t"), time: world.time.source)
        let desk = ReadingDesk(desk: TicketDesk(zendesk: client, settings: world.settings), time: world.time.source)
        let deadline = Deadline(after: .seconds(30), world.time.source)
        return await withTaskGroup(of: Void.self) { group in
            async let first = desk.read([1, 2], priority: .normal, deadline: deadline)
            async let second = desk.read([3], priority: .normal, deadline: deadline)
            // Both requests wait before any reading begins.
            while desk.gathering.withLock({ $0.waiting.count }) < 2 { await Task.yield() }
            group.addTask { await desk.run() }
            let both = await (first, second)
            group.cancelAll()
            return both
        }
    }

    private func ids(_ readings: TicketReadings) throws -> [Int] { try readings.values.compactMap { try $0.get()?.ticket.id }.sorted() }

    @Test("two requests share one call")
    func together() async throws {
        let (first, second) = await readings()
        #expect(try Set(ids(first)).isSuperset(of: [1, 2]) && Set(ids(second)).contains(3))
        #expect(world.transport.requests.map { $0.target } == ["/api/v2/tickets/show_many.json?ids=1,2,3"])
    }

    @Test("a ticket that is left out and cannot be read fails only its own request")
    func leftOut() async throws {
        world.transport.before { request, _ in
            if request.target.contains("tickets/2.") { return OutboundResponse(status: 500, body: Data()) }
            guard request.target.contains("ids=1,2") else { return nil }
            let tickets = [1, 3].map { #"{"id":\#($0),"status":"open","updated_at":"2026-11-23T19:00:00Z","custom_fields":[]}"# }
            return OutboundResponse(status: 200, body: Data(#"{"tickets":[\#(tickets.joined(separator: ","))]}"#.utf8))
        }
        let (first, second) = await readings()
        #expect(try ids(second).contains(3))
        #expect(throws: ZendeskError.self) { try #require(first[2]).get() }
    }

    @Test("a call that fails because of one ticket fails only that ticket's request")
    func spoilt() async throws {
        world.transport.before { request, _ in
            request.target.contains("ids=1,2") ? OutboundResponse(status: 500, body: Data()) : nil
        }
        let (first, second) = await readings()
        #expect(try ids(second) == [3])
        #expect(throws: ZendeskError.self) { try #require(first[1]).get() }
    }
}
