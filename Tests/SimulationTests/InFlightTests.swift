import BookingStatusSync
import FunctionRuntime
import Foundation
import InMemoryLogging
import Logging
import Simulation
import Synchronization
import Testing
import Support
import Zendesk
import ZendeskSimulator

@Suite("Concurrent changes")
struct InFlightTests {
    /// One instance, one booking with two tickets, and a slow connection to Zendesk.
    private final class Bench: OutboundTransport, @unchecked Sendable {
        let executor = SeededExecutor(seed: 7)
        var account: SimulatedZendesk
        var writes = 0
        var calls = 0
        var searches: [String: Int] = [:]
        let log = InMemoryLogHandler()

        init() {
            let options = ["a", "b", "c", "d", "e", "f"].map { TicketField.Option(name: $0, tag: $0) }
            account = SimulatedZendesk(fields: [
                TicketField(id: 1, title: "Booking"), TicketField(id: 2, title: "Status", options: options),
                TicketField(id: 3, title: "Version"),
            ])
            for id in 1...2 {
                let fields: [Int: JSON] = [1: "bk", 2: "a"]
                account.put(
                    SimulatedTicket(id: id, subject: "", createdAt: History.start - 100, customFields: fields),
                    now: History.start - 100
                )
            }
        }

        func send(_ request: OutboundRequest, timeout: Duration) async throws(OutboundError) -> OutboundResponse {
            calls += 1
            if request.method == .put { writes += 1 }
            if request.target.contains("search.json") { searches[request.target, default: 0] += 1 }
            try? await executor.sleep(.milliseconds(40))
            let answer = account.respond(
                to: .init(method: request.method.rawValue, target: request.target, body: request.body ?? Data()),
                now: History.start + executor.now / .seconds(1)
            )
            return OutboundResponse(status: answer.status, headers: answer.headers, body: answer.body)
        }

        func handler(writesPerMinute: Int = 50, sharesCalls: Bool = true) -> BookingStatusHandler {
            let executor = executor
            let time = TimeSource(
                now: { executor.now },
                secondsSince1970: { History.start + executor.now / .seconds(1) },
                sleep: { try await executor.sleep($0) },
                random: { 0.5 }
            )
            let tags = ["a", "b", "c", "d", "e", "f"]
            return BookingStatusHandler(
                settings: BookingStatusSettings(
                    bookingIDField: 1,
                    bookingStatusField: 2,
                    bookingVersionField: 3,
                    tags: Dictionary(uniqueKeysWithValues: tags.map { ($0, $0) }),
                    sharesCalls: sharesCalls
                ),
                zendesk: ZendeskClient(transport: self, credentials: .accessToken("t"), writesPerMinute: writesPerMinute, time: time),
                time: time
            )
        }

        func run(_ handler: BookingStatusHandler, _ body: @escaping @Sendable () async -> Void) {
            executor.run {
                do {
                    try await handler.whileRunning { await body() }
                } catch {
                    Issue.record("\(error)")
                }
            }
        }

        func deliver(_ mods: [(id: String, from: String, to: String)], at second: Int64, _ handler: BookingStatusHandler) async
            -> FunctionFailure?
        {
            let rows = mods.map { mod in
                #"{"keysJson":"{\"ID\":\"\#(mod.id)\"}","oldValuesJson":"{\"Status\":\"\#(mod.from)\"}","newValuesJson":"{\"Status\":\"\#(mod.to)\"}"}"#
            }
            let json = """
                {"commitTimestamp":{"seconds":\(Int64(History.start) + second - 50),"nanos":0},"serverTransactionId":"t\(second)",
                "recordSequence":"0","tableName":"Bookings","modType":"UPDATE","mods":[\(rows.joined(separator: ","))]}
                """
            let end = executor.now + .seconds(30)
            let executor = executor
            let context = FunctionContext(
                eventID: "m\(second)",
                executionID: "e",
                logger: Logger(label: "t") { _ in self.log },
                timeRemaining: { end - executor.now }
            )
            let message = PubSubMessage(id: "m\(second)", data: Data(json.utf8), publishTime: Date(timeIntervalSince1970: History.start))
            do {
                try await handler.handle(message, context: context)
                return nil
            } catch {
                return error as? FunctionFailure
            }
        }
    }

    @Test("five changes to one booking at once cost one search, one read and one update per ticket; the newest is shown")
    func coalesced() {
        let bench = Bench()
        let handler = bench.handler()
        let steps = [("a", "b"), ("b", "c"), ("c", "d"), ("d", "e"), ("e", "f")]
        bench.run(handler) {
            await withTaskGroup(of: Void.self) { group in
                for (index, step) in steps.enumerated() {
                    group.addTask { #expect(await bench.deliver([("bk", step.0, step.1)], at: Int64(index + 1), handler) == nil) }
                }
            }
        }
        #expect((1...2).map { bench.account.tickets[$0]?.text(of: 2) } == ["f", "f"])
        #expect(bench.writes == 2)
        // The other three look for the fields.
        #expect(bench.calls == 4 + 3)
        #expect(bench.log.entries.count { $0.metadata["outcome"] == "superseded" } == 8)
        #expect(bench.log.entries.count { $0.metadata["outcome"] == "updated" } == 2)
    }

    @Test("a record that exceeds the budget resumes where it stopped")
    func goesOn() {
        let bench = Bench()
        for id in 10..<22 {
            let fields: [Int: JSON] = [1: .string("many-\(id)"), 2: "a"]
            bench.account.put(
                SimulatedTicket(id: id, subject: "", createdAt: History.start - 100, customFields: fields),
                now: History.start - 100
            )
        }
        let handler = bench.handler(writesPerMinute: 5, sharesCalls: false)
        let mods = (10..<22).map { (id: "many-\($0)", from: "a", to: "b") }
        bench.run(handler) {
            var deliveries = 0
            while await bench.deliver(mods, at: 1, handler) != nil {
                deliveries += 1
                guard deliveries < 20 else { break }
                try? await bench.executor.sleep(.seconds(30))
            }
            #expect((2..<20).contains(deliveries))
        }
        #expect((10..<22).allSatisfy { bench.account.tickets[$0]?.text(of: 2) == "b" })
        // Each booking was written once, however often the record came. A settled booking is not
        // searched for again.
        #expect(bench.writes == 12)
        #expect(bench.searches.count == 12)
        #expect(bench.searches.values.reduce(0, +) <= 3 * 12)
    }
}
