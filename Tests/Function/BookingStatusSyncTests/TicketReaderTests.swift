import Foundation
import Support
import TestSupport
import Testing
import Zendesk
import ZendeskSimulator

@testable import BookingStatusSync

/// What one ticket answers concerns that ticket alone, however Zendesk answers for a page with it.
@Suite("Reading tickets")
struct TicketReaderTests {
    private let world = HandlerWorld()
    private let scope = TaskScope()

    private func reader() -> TicketReader {
        let client = ZendeskClient(transport: world.transport, credentials: .accessToken("t"), time: world.time.source)
        return TicketReader(client, scope: scope, isAlone: { true }, time: world.time.source)
    }

    private func read(_ tickets: [Int], with reader: TicketReader) async throws -> TicketReadings {
        try await world.time.run { [scope, world] in
            await scope.whileRunning {
                await reader.read(tickets, .before(Deadline(after: .seconds(30), world.time.source)))
            }
        }
    }

    private static func ids(of request: OutboundRequest) -> [Int] {
        if request.target.contains("show_many") {
            return request.target.split(separator: "=").last?.split(separator: ",").compactMap { Int($0) } ?? []
        }
        return Int(request.target.dropFirst("/api/v2/tickets/".count).prefix { $0 != "." }).map { [$0] } ?? []
    }

    private func spoil(_ tickets: Set<Int>, _ answer: @escaping @Sendable () throws(OutboundError) -> OutboundResponse) {
        world.transport.before { request, _ throws(OutboundError) in
            Self.ids(of: request).contains { tickets.contains($0) } ? try answer() : nil
        }
    }

    private func isRead(_ result: Result<TicketReading?, ZendeskError>?) -> Bool {
        if case .success(.some) = result { true } else { false }
    }

    struct Answer: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let answer: @Sendable () throws(OutboundError) -> OutboundResponse
    }

    static let answers = [
        Answer(testDescription: "504") { OutboundResponse(status: 504, body: Data()) },
        Answer(testDescription: "403") { OutboundResponse(status: 403, body: Data(#"{"error":{"title":"Forbidden","message":""}}"#.utf8)) },
        Answer(testDescription: "an answer that is no JSON") { OutboundResponse(status: 200, body: Data("<html>".utf8)) },
        Answer(testDescription: "an answer that is too large") { () throws(OutboundError) in throw .noAnswer("the answer is too large") },
    ]

    @Test("one ticket that spoils every page it is on is found, and fails alone", arguments: answers)
    func spoilt(answer: Answer) async throws {
        for id in 1...100 { world.open(id, booking: "b") }
        spoil([77], answer.answer)
        let reader = reader()
        let found = try await read(Array(1...100), with: reader)
        #expect((1...100).filter { !isRead(found[$0]) } == [77])
        #expect(world.transport.requests.count <= 1 + 20)
        // For ten minutes no page contains it.
        let before = world.transport.requests.count
        let again = try await read(Array(1...100), with: reader)
        #expect((1...100).filter { !isRead(again[$0]) } == [77])
        let pages = world.transport.requests[before...].filter { $0.target.contains("show_many") }
        #expect(pages.count == 1)
    }

    @Test("two such tickets on one page are found, too")
    func two() async throws {
        for id in 1...100 { world.open(id, booking: "b") }
        spoil([3, 77]) { OutboundResponse(status: 504, body: Data()) }
        let reader = reader()
        _ = try await read(Array(1...100), with: reader)
        let found = try await read(Array(1...100), with: reader)
        #expect((1...100).filter { !isRead(found[$0]) }.count <= 25)
    }

    @Test("if nothing can be read, a few calls show that Zendesk is down")
    func down() async throws {
        spoil(Set(1...100)) { OutboundResponse(status: 500, body: Data()) }
        let found = try await read(Array(1...100), with: reader())
        #expect((1...100).allSatisfy { !isRead(found[$0]) })
        #expect(world.transport.requests.count == 7)
    }

    @Test("a page that gets a Retry-After is not split, because the wait concerns the account")
    func busy() async throws {
        spoil(Set(1...100)) { OutboundResponse(status: 503, headers: ["retry-after": "60"], body: Data()) }
        let found = try await read(Array(1...100), with: reader())
        #expect((1...100).allSatisfy { !isRead(found[$0]) })
        #expect(world.transport.requests.count == 1)
    }

    @Test("a ticket that is left out and cannot be read fails alone; one that is gone has no reading")
    func leftOut() async throws {
        for id in 1...4 { world.open(id, booking: "b") }
        world.transport.withAccount { account, _ in account.delete(3) }
        world.transport.before { request, _ in
            if request.target.contains("tickets/2.") { return OutboundResponse(status: 500, body: Data()) }
            guard request.target.contains("show_many") else { return nil }
            let tickets = [1, 4].map { #"{"id":\#($0),"status":"open","updated_at":"2026-11-23T19:00:00Z","custom_fields":[]}"# }
            return OutboundResponse(status: 200, body: Data(#"{"tickets":[\#(tickets.joined(separator: ","))]}"#.utf8))
        }
        let found = try await read([1, 2, 3, 4], with: reader())
        #expect([1, 4].allSatisfy { isRead(found[$0]) })
        #expect(throws: ZendeskError.self) { try #require(found[2]).get() }
        #expect(try #require(found[3]).get() == nil)
    }

    @Test("a ticket that cannot be read fails neither the other tickets of its booking nor the other bookings of its search")
    func record() async throws {
        for id in 1...6 { world.open(id, booking: "A-1x") }
        for id in 11...15 { world.open(id, booking: "B-\(id)x") }
        for id in (1...6).map({ $0 }) + (11...15).map({ $0 }) { world.age(id, by: 600) }
        for (index, other) in ["VIP-1", "QT-2"].enumerated() { world.open(100 + index, booking: other) }
        for index in 0..<2 { world.age(100 + index, by: 300) }
        spoil([3, 13]) { OutboundResponse(status: 403, body: Data()) }
        let mods = (["A-1x"] + (11...15).map { "B-\($0)x" }).map {
            #"{"keysJson":"{\"ID\":\"\#($0)\"}","oldValuesJson":"{}","newValuesJson":"{\"Status\":\"Booked\"}"}"#
        }
        let json = """
            {"commitTimestamp":{"seconds":1795464801,"nanos":0},"serverTransactionId":"t1","recordSequence":"0",
            "tableName":"Bookings","modType":"INSERT","mods":[\(mods.joined(separator: ","))]}
            """
        await #expect(throws: (any Error).self) { try await world.deliver(json) }
        let written = ((1...6).map { $0 } + (11...15).map { $0 }).filter { world.status($0) == "Booked" }
        #expect(written == [1, 2, 4, 5, 6, 11, 12, 14, 15])
    }
}
