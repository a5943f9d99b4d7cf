import FunctionRuntime
import Foundation
import InMemoryLogging
import Logging
import Simulation
import Support
import Synchronization
import TestSupport
import Testing
import Zendesk
import ZendeskSimulator

@testable import BookingStatusSync

@Suite("A message for a new ticket")
struct NewTicketTests {
    /// A ticket that was opened half a second ago, which search does not know yet.
    private func world(_ booking: String = "b", status: String? = "InStay") -> HandlerWorld {
        let world = HandlerWorld()
        world.transport.withAccount { account, _ in account.searchLag = 600...600 }
        if let status { world.bookings.set(booking, status) }
        world.open(1, booking: booking)
        world.time.advance(.milliseconds(500))
        world.age(1, by: 0.5)
        return world
    }

    @Test("gives the ticket its booking's status, without a search and before two seconds have passed")
    func added() async throws {
        let world = world()
        let begin = world.time.now
        try await world.deliver(ticket: "1")
        #expect(world.status(1) == "InStay")
        #expect(world.kept(1)?.contains("b") == true)
        #expect(world.outcomes.contains("1 added"))
        #expect(world.transport.requests.allSatisfy { !$0.target.contains("search") })
        #expect(world.transport.writes.count == 1)
        #expect(world.time.now - begin < .milliseconds(1600))
        let line = try #require(world.log.entries.first { $0.metadata["outcome"] == "added" })
        #expect(line.metadata["task"] == "ticket")
        let audits = world.transport.withAccount { account, _ in account.tickets[1]!.audits }
        #expect("\(audits)".contains("ticket"))
    }

    @Test("delivered twice, it changes nothing more, and says so each time")
    func twice() async throws {
        let world = world()
        for _ in 0..<3 { try await world.deliver(ticket: "1") }
        #expect(world.transport.writes.count == 1)
        #expect(world.outcomes.filter { $0.hasPrefix("1 ") } == ["1 added", "1 stale", "1 stale"])
    }

    @Test("overwrites nothing that a person set, and no newer version")
    func keepsOthers() async throws {
        let world = world(status: "Booked")
        world.setByHand(1, "CheckedOut")
        try await world.deliver(ticket: "1")
        #expect(world.status(1) == "CheckedOut")
        #expect(world.outcomes.contains("1 unexpected_status"))
        #expect(world.transport.writes.isEmpty)

        world.open(2, booking: "c")
        world.age(2, by: 60)
        world.time.advance(.seconds(1000))
        world.bookings.set("c", "Booked")
        try await world.deliver("c", from: "Booked", to: "InStay", at: 300)
        #expect(world.status(2) == "InStay")
        try await world.deliver(ticket: "2")
        #expect(world.status(2) == "InStay")
    }

    @Test("a ticket without a booking, an unknown booking, a closed ticket and a booking without a status are outcomes in the log")
    func skipped() async throws {
        let world = world()
        world.open(2, booking: "")
        world.open(3, booking: "nobody's")
        world.open(4, booking: "b", isClosed: true)
        world.open(5, booking: "empty")
        world.bookings.set("empty", nil)
        for ticket in 2...5 { try await world.deliver(ticket: "\(ticket)") }
        #expect(
            world.outcomes.filter { $0.first?.isNumber == true } == ["2 no_booking_id", "3 unknown_booking", "4 closed", "5 unchanged"]
        )
        // A version where there is none.
        #expect(world.transport.writes.map { $0.target.contains("/5.json") } == [true])
    }

    @Test("a ticket that cannot be read yet is waited for, and gone only later")
    func notYet() async throws {
        let world = world()
        for (age, attempt, isRetried) in [(1.0, nil, true), (1000.0, 4, true), (1000.0, 5, false), (1000.0, nil, false)]
            as [(Double, Int?, Bool)]
        {
            do {
                try await world.deliver(ticket: "99", publishedBefore: age, attempt: attempt)
                #expect(!isRetried)
            } catch FunctionFailure.tryAgain {
                #expect(isRetried)
            }
        }
        #expect(world.outcomes.filter { $0.hasPrefix("99") } == ["99 deferred", "99 deferred", "99 gone", "99 gone"])
    }

    @Test("is refused for good without a database or a ticket's id", arguments: ["", "0", "-1", "x", "1.5", "99999999999999999999"])
    func refused(ticket: String) async throws {
        var world = world()
        await #expect(throws: FunctionFailure.unprocessable("the attribute ticket is not the id of a ticket")) {
            try await world.deliver(ticket: ticket)
        }
        world.withoutDatabase()
        await #expect(throws: FunctionFailure.unprocessable("SPANNER_DATABASE is not set: a new ticket needs the database")) {
            try await world.deliver(ticket: "1")
        }
    }

    @Test("is retried while the database or Zendesk does not answer; a status without a tag is hopeless")
    func failures() async throws {
        let world = world()
        world.bookings.state.withLock { $0.error = BookingSourceError("Spanner answers 403", needsPerson: true) }
        await #expect(throws: FunctionFailure.tryAgain(after: .seconds(10), "deferred: Spanner answers 403")) {
            try await world.deliver(ticket: "1")
        }
        #expect(world.log.entries.contains { $0.level == .error && $0.metadata["outcome"] == "deferred" })
        world.bookings.state.withLock { $0.error = nil }
        world.bookings.set("b", "Unheard of")
        await #expect(throws: FunctionFailure.unprocessable("unknown_status")) { try await world.deliver(ticket: "1") }
        world.transport.withAccount { account, _ in account.faults.outage = 1 }
        await #expect {
            try await world.deliver(ticket: "1")
        } throws: { error in
            if case .tryAgain? = error as? FunctionFailure { true } else { false }
        }
        #expect(world.transport.writes.isEmpty)
    }

    @Test("many at once share the readings of tickets and bookings")
    func many() async throws {
        let world = HandlerWorld()
        world.transport.withAccount { account, _ in (account.searchLag, account.limits.ticketUpdates) = (600...600, 1000) }
        for id in 1...300 {
            world.open(id, booking: "b\(id)")
            world.bookings.set("b\(id)", "InStay")
        }
        let (handler, log, done) = (world.handler!, world.log, Locked<Set<Int>>([]))
        let now = world.time.source.now
        try await world.time.run {
            try await handler.whileRunning {
                await withTaskGroup(of: (Int, Bool).self) { group in
                    for id in 1...300 {
                        group.addTask {
                            let message = PubSubMessage(id: "\(id)", attributes: ["task": "ticket", "ticket": "\(id)"])
                            let context = FunctionContext(
                                eventID: "\(id)",
                                executionID: "e",
                                logger: Logger(label: "test") { _ in log },
                                timeRemaining: { .seconds(30) - now() }
                            )
                            do {
                                try await handler.handle(message, context: context)
                                return (id, true)
                            } catch {
                                return (id, false)
                            }
                        }
                    }
                    for await (id, isDone) in group where isDone { done.withLock { _ = $0.insert(id) } }
                }
            }
        }
        #expect(world.bookings.state.withLock(\.reads.count) <= 10)
        #expect(world.transport.requests.count { $0.target.contains("show_many") && $0.target.contains("tickets") } < 40)
        // The others are delivered again.
        #expect(done.value.count > 250)
        #expect(done.value.allSatisfy { world.status($0) == "InStay" })
    }

    @Test("a message that fails does not keep the next sweep from the ticket")
    func sweptAfterFailure() async throws {
        let world = world()
        let isRefusing = Locked(true)
        world.transport.before { request, _ in isRefusing.value && request.method == .put ? OutboundResponse(status: 403) : nil }
        await #expect(throws: FunctionFailure.self) { try await world.deliver(ticket: "1") }
        #expect(world.status(1) == nil)
        isRefusing.withLock { $0 = false }
        try await world.sweep()
        #expect(world.status(1) == "InStay")
    }

    @Test("a status of ours is not cleared while most bookings are absent, and a line says so")
    func held() async throws {
        let world = HandlerWorld()
        for id in 1...30 { world.open(id, booking: "b-\(id)x") }
        for id in 1...30 { try await world.deliver("b-\(id)x", from: nil, to: "Booked", at: 1) }
        world.time.advance(.seconds(5))
        for id in 1...30 { try await world.deliver(ticket: "\(id)") }
        #expect((25...30).allSatisfy { world.status($0) == "Booked" })
        #expect(world.outcomes.suffix(1) == ["30 unknown_booking"])
    }
}
