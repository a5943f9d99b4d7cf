import Logging
import Testing
import Zendesk

@testable import BookingStatusSync

@Suite("Round schedule")
struct RoundScheduleTests {
    private static let wide = CallRoom(reads: 300, writes: 100, writeLimit: 50, isRelaxed: true, isKnown: true)

    private func changes(_ bookings: [String], isSweep: Bool = false) -> [(change: PendingChange, readings: [TicketReading])] {
        bookings.map { booking in
            var change = TicketSettlementTests.change("a", "b", 1)
            change.tagChange.bookingID = booking
            if isSweep {
                change.reported = ReportedTickets()
                change.priority = .low
            }
            return (change, [])
        }
    }

    @Test("a round takes one booking from each submission in turn, so a large record leaves room for a single change")
    func turns() {
        var schedule = RoundSchedule(bookingsPerRound: 4, maximumRounds: 9)
        _ = schedule.submit(changes((1...100).map { "large-\($0)" }))
        _ = schedule.submit(changes(["x"]))
        _ = schedule.submit(changes(["y-1", "y-2"]))
        #expect(schedule.draw(Self.wide, .init(), now: .zero) == ["large-1", "x", "y-1", "large-2"])
        #expect(schedule.draw(Self.wide, .init(), now: .zero) == ["y-2", "large-3", "large-4", "large-5"])
    }

    @Test("all waiting changes of a booking go together, whoever submitted them; later ones join until its tickets are read")
    func joins() {
        var schedule = RoundSchedule()
        let first = schedule.submit(changes(["b"]))
        let second = schedule.submit(changes(["b"]))
        #expect(schedule.draw(Self.wide, .init(), now: .zero) == ["b"])
        let third = schedule.submit(changes(["b"]))
        #expect(schedule.draw(Self.wide, .init(), now: .zero).isEmpty)
        #expect(schedule.take("b").map(\.submission) == [first, second, third])
        let late = schedule.submit(changes(["b"]))
        #expect(!schedule.wantsRound(.zero))
        #expect(schedule.draw(Self.wide, .init(), now: .zero).isEmpty)
        schedule.leave("b")
        #expect(schedule.wantsRound(.zero))
        #expect(schedule.draw(Self.wide, .init(), now: .zero) == ["b"])
        #expect(schedule.take("b").map(\.submission) == [late])
    }

    @Test("a change that arrives after the search waits: the search may have missed a new ticket")
    func comesAfterSearch() {
        var schedule = RoundSchedule()
        let first = schedule.submit(changes(["b"]))
        #expect(schedule.draw(Self.wide, .init(), now: .zero) == ["b"])
        schedule.close("b")
        let second = schedule.submit(changes(["b"]))
        #expect(schedule.take("b").map(\.submission) == [first])
        schedule.leave("b")
        #expect(schedule.draw(Self.wide, .init(), now: .zero) == ["b"])
        #expect(schedule.take("b").map(\.submission) == [second])
    }

    @Test("a round fits in the room that work in flight leaves in the budgets")
    func room() {
        var schedule = RoundSchedule()
        _ = schedule.submit(changes((1...50).map { "b-\($0)" }))
        let room = CallRoom(reads: 30, writes: 4, writeLimit: 50, isRelaxed: true, isKnown: true)
        #expect(schedule.draw(room, .init(), now: .zero).count == 4)
        #expect(schedule.draw(room, .init(), now: .zero).isEmpty)
        #expect(schedule.draw(room, .init(writes: false), now: .zero).count == 6)
    }

    @Test("three rounds run at once while the budgets are hardly used, else one; one booking until the limits are known")
    func rounds() {
        var schedule = RoundSchedule(bookingsPerRound: 1)
        _ = schedule.submit(changes((1...9).map { "b-\($0)" }))
        var room = Self.wide
        room.isKnown = false
        #expect(schedule.draw(room, .init(), now: .zero) == ["b-1"])
        #expect(schedule.draw(room, .init(), now: .zero).isEmpty)
        room.isKnown = true
        #expect(schedule.draw(room, .init(), now: .zero) == ["b-2"])
        #expect(schedule.draw(room, .init(), now: .zero) == ["b-3"])
        #expect(schedule.draw(room, .init(), now: .zero).isEmpty)
        for booking in ["b-1", "b-2", "b-3"] { #expect(schedule.take(booking).count == 1) }
        schedule.leave("b-2")
        room.isRelaxed = false
        // Finished readings hold nothing back, but rounds stay apart while calls are scarce.
        #expect(schedule.draw(room, .init(), now: .milliseconds(1299)).isEmpty)
        #expect(schedule.untilNextRound(.milliseconds(1299), isRelaxed: false) == .milliseconds(1))
        #expect(schedule.draw(room, .init(), now: .milliseconds(1300)) == ["b-4"])
        #expect(schedule.draw(room, .init(), now: .milliseconds(2600)).isEmpty)
        #expect(schedule.take("b-4").count == 1)
        #expect(schedule.draw(room, .init(), now: .milliseconds(2600)) == ["b-5"])
    }

    @Test("when calls are scarce, sixteen bookings begin without waiting")
    func enough() {
        var schedule = RoundSchedule()
        var room = Self.wide
        room.isRelaxed = false
        let sharing = RoundSchedule.Sharing(bookingsPerSearch: 23, hasJobs: true)
        _ = schedule.submit(changes(["first"]))
        #expect(schedule.draw(room, sharing, now: .zero) == ["first"])
        _ = schedule.take("first")
        _ = schedule.submit(changes((1...15).map { "b-\($0)" }))
        #expect(schedule.draw(room, sharing, now: .milliseconds(1)).isEmpty)
        _ = schedule.submit(changes(["b-16"]))
        #expect(schedule.draw(room, sharing, now: .milliseconds(1)).count == 16)
    }

    @Test("when calls are scarce, searches are full, and a lone change still has a place beside a large record")
    func full() {
        var schedule = RoundSchedule(maximumInWork: 20)
        var room = Self.wide
        room.isRelaxed = false
        let sharing = RoundSchedule.Sharing(bookingsPerSearch: 8, hasJobs: true)
        _ = schedule.submit(changes((1...20).map { "b-\($0)" }))
        #expect(schedule.draw(room, sharing, now: .zero).count == 16)
        for number in 1...16 { #expect(schedule.take("b-\(number)").count == 1) }
        #expect(schedule.draw(room, sharing, now: .seconds(2)).count == 4)
        for number in 17...20 { #expect(schedule.take("b-\(number)").count == 1) }
        _ = schedule.submit(changes(["c-1", "c-2"]))
        #expect(schedule.draw(room, sharing, now: .seconds(4)).isEmpty)
        _ = schedule.submit(changes(["alone"]))
        #expect(schedule.draw(room, sharing, now: .seconds(4)) == ["alone"])
    }

    @Test("after the budget runs out, fewer bookings begin at once until the budget suffices")
    func ranOut() {
        var schedule = RoundSchedule()
        var room = Self.wide
        room.reads = 15
        let bookings = ["b-1", "b-2", "b-3"]
        _ = schedule.submit(changes(bookings))
        #expect(schedule.draw(room, .init(), now: .zero) == bookings)
        for booking in bookings {
            #expect(schedule.take(booking).count == 1)
            schedule.leave(booking, ranOut: true)
        }
        #expect(schedule.readsPerSearch == 24)
        _ = schedule.submit(changes(bookings))
        for (booking, reads) in zip(bookings, [12, 6, 3]) {
            #expect(schedule.draw(room, .init(), now: .zero) == [booking])
            #expect(schedule.take(booking).count == 1)
            schedule.leave(booking)
            #expect(schedule.readsPerSearch == reads)
        }
    }

    @Test("a booking whose calls hang delays others for only three seconds")
    func hangs() {
        var schedule = RoundSchedule(maximumRounds: 1)
        _ = schedule.submit(changes(["slow"]))
        #expect(schedule.draw(Self.wide, .init(), now: .zero) == ["slow"])
        _ = schedule.submit(changes(["b"]))
        #expect(schedule.draw(Self.wide, .init(), now: .seconds(2)).isEmpty)
        #expect(schedule.draw(Self.wide, .init(), now: .seconds(3)) == ["b"])
    }

    @Test("sweeps use the room that live changes leave, a few at a time, and hold no round open")
    func sweeps() {
        var schedule = RoundSchedule(bookingsPerRound: 4, maximumRounds: 1, maximumSwept: 2)
        _ = schedule.submit(changes(["s-1", "s-2", "s-3", "l-1"], isSweep: true))
        _ = schedule.submit(changes(["l-1", "l-2"]))
        #expect(schedule.draw(Self.wide, .init(), now: .zero) == ["l-1", "l-2", "s-1", "s-2"])
        #expect(schedule.takeKnown("s-1", .zero)?.count == 1)
        // A live change needs a search.
        #expect(schedule.takeKnown("l-1", .zero) == nil)
        #expect(schedule.take("l-1").count == 2)
        #expect(schedule.take("l-2").count == 1)
        schedule.leave("l-1")
        schedule.leave("l-2")
        _ = schedule.submit(changes(["l-3"]))
        #expect(schedule.draw(Self.wide, .init(), now: .zero) == ["l-3"])
        schedule.leave("s-1")
        #expect(schedule.draw(Self.wide, .init(), now: .zero) == ["s-3"])
    }

    @Test("a withdrawn change does not begin; a change already in a round goes on")
    func withdraw() {
        var schedule = RoundSchedule(bookingsPerRound: 1, maximumRounds: 2)
        let other = schedule.submit(changes(["busy"]))
        #expect(schedule.draw(Self.wide, .init(), now: .zero) == ["busy"])
        #expect(schedule.take("busy").map(\.submission) == [other])
        let submission = schedule.submit(changes(["b-1", "busy", "b-2"]))
        #expect(schedule.draw(Self.wide, .init(), now: .zero) == ["b-1"])
        #expect(schedule.withdraw(submission) == [1, 2])
        #expect(schedule.take("b-1").map(\.index) == [0])
        schedule.leave("busy")
        schedule.leave("b-1")
        #expect(!schedule.wantsRound(.zero))
        #expect(schedule.draw(Self.wide, .init(), now: .zero).isEmpty)
    }

    @Test("a submission withdrawn while its booking is in work leaves nothing behind")
    func leavesNothing() {
        var schedule = RoundSchedule()
        for _ in 0..<10 {
            let id = schedule.submit(changes(["b"]))
            #expect(schedule.draw(Self.wide, .init(), now: .zero) == ["b"])
            #expect(schedule.withdraw(id).isEmpty)
            schedule.forget(id)
            #expect(schedule.take("b").count == 1)
            schedule.leave("b")
            #expect(schedule.draw(Self.wide, .init(), now: .zero).isEmpty)
        }
        #expect(schedule.isEmpty)
    }

    @Test("every submitted change is taken once, whatever the order", arguments: 0..<200)
    func nothingIsLost(seed: Int) {
        var random = seed &* 7919 &+ 13
        func next(_ count: Int) -> Int {
            random = (random &* 1_103_515_245 &+ 12345) & 0x7fff_ffff
            return (random >> 8) % count
        }
        var schedule = RoundSchedule(bookingsPerRound: 1 + next(4), maximumRounds: 1 + next(3), maximumSwept: 1 + next(2))
        var (open, taken, withdrawn): (Set<String>, Set<String>, Set<String>) = ([], [], [])
        var finding: [String] = []
        var settling: [(booking: String, entries: [RoundSchedule.Entry])] = []
        var now = Duration.zero
        func take(_ booking: String) {
            let entries = schedule.takeKnown(booking, now) ?? schedule.take(booking)
            for entry in entries { #expect(taken.insert("\(entry.submission) \(entry.index)").inserted) }
            settling.append((booking, entries))
        }
        for step in 0..<300 {
            switch next(6) {
            case 0 where step < 200:
                let bookings = (0...next(4)).map { _ in "b-\(next(6))" }
                let id = schedule.submit(changes(Array(Set(bookings)).sorted(), isSweep: next(3) == 0))
                for index in Set(bookings).sorted().indices { open.insert("\(id) \(index)") }
            case 1 where step < 200 && next(4) == 0:
                guard let entry = open.sorted().first, let id = entry.split(separator: " ").first.flatMap({ Int($0) }) else { break }
                for index in schedule.withdraw(id) { #expect(withdrawn.insert("\(id) \(index)").inserted) }
            case 2, 3: finding += schedule.draw(Self.wide, .init(), now: now)
            case 4:
                guard !finding.isEmpty else { break }
                take(finding.removeFirst())
            default:
                guard !settling.isEmpty else { break }
                let (booking, entries) = settling.removeFirst()
                schedule.leave(booking)
                for entry in entries where entry.parked == nil && !entry.change.isSweep && next(3) == 0 {
                    taken.remove("\(entry.submission) \(entry.index)")
                    schedule.park(entry, .init(until: now + .seconds(next(20)), tickets: [1], results: []))
                }
            }
            now += .seconds(1)
            let inWork = finding + settling.map(\.booking)
            #expect(Set(inWork).count == inWork.count)
        }
        for _ in 0..<200 {
            now += .seconds(5)
            finding += schedule.draw(Self.wide, .init(), now: now)
            for booking in finding { take(booking) }
            finding = []
            for (booking, _) in settling { schedule.leave(booking) }
            settling = []
        }
        #expect(schedule.isEmpty)
        #expect(taken.union(withdrawn) == open)
        #expect(taken.isDisjoint(with: withdrawn))
    }
}
