import Testing
import Zendesk

@testable import BookingStatusSync

@Suite("Lanes")
struct LanesTests {
    private func changes(_ bookings: [String]) -> [BookingChange] {
        bookings.map { change(of: $0, from: .none, to: "a", version(1)) }
    }

    private func lanes(_ change: (inout Lanes.Limits) -> Void = { _ in }) -> Lanes {
        var limits = Lanes.Limits()
        change(&limits)
        return Lanes(limits: limits)
    }

    private func reading(_ ticket: Int) -> TicketReading {
        TicketReading(ticket: Ticket(id: ticket, status: "open", updatedStamp: ""), readAt: 0)
    }

    // Macros cannot call mutating methods.
    private func submit(_ lanes: inout Lanes, _ changes: [BookingChange], readings: [[TicketReading]]? = nil, id: Int) -> Bool {
        lanes.submit(changes, readings: readings, id: id)
    }
    private func take(_ lanes: inout Lanes, _ bookingID: String, upTo last: Int = .max) -> [Lanes.Entry] {
        lanes.take(bookingID, upTo: last)
    }
    private func park(_ lanes: inout Lanes, _ entry: Lanes.Entry, _ parked: Lanes.Parked) -> Bool { lanes.park(entry, parked) }
    private func withdraw(_ lanes: inout Lanes, _ id: Int) -> [Int] { lanes.withdraw(id) }

    /// Begins all lanes that may begin.
    private func begin(_ lanes: inout Lanes, _ now: Duration = .zero) -> [Lanes.Start] {
        var starts: [Lanes.Start] = []
        while let start = lanes.next(now) { starts.append(start) }
        return starts
    }

    @Test("a booking is in work once; a change that arrives before its search is answered joins, a later one waits for the next turn")
    func joins() {
        var lanes = lanes()
        #expect(submit(&lanes, changes(["a"]), id: 1))
        let first = begin(&lanes)
        #expect(first.map(\.bookingID) == ["a"])
        #expect(submit(&lanes, changes(["a"]), id: 2))
        #expect(begin(&lanes).isEmpty)
        let latest = lanes.latest
        #expect(submit(&lanes, changes(["a"]), id: 3))
        #expect(take(&lanes, "a", upTo: latest).map(\.submission) == [1, 2])
        lanes.leave(first[0])
        #expect(begin(&lanes).map(\.bookingID) == ["a"])
        #expect(take(&lanes, "a").map(\.submission) == [3])
    }

    @Test("lanes begin in turns, and a submission's first lane begins whatever is in work")
    func turns() {
        var lanes = lanes { $0.inWork = 3 }
        #expect(submit(&lanes, changes((0..<10).map { "large-\($0)" }), id: 1))
        #expect(begin(&lanes).map(\.turn) == [0, 1, 2])
        #expect(submit(&lanes, changes(["guest"]), id: 2))
        #expect(submit(&lanes, changes(["x", "y"]), id: 3))
        let more = begin(&lanes)
        #expect(more.map(\.bookingID) == ["guest", "x"])
        #expect(more.map(\.turn) == [0, 0])
        for start in more {
            _ = take(&lanes, start.bookingID)
            lanes.leave(start)
        }
        #expect(begin(&lanes).map(\.bookingID) == ["y"])
    }

    @Test("a submission whose last lane in work has ended begins another one at once")
    func oneAlways() {
        var lanes = lanes { $0.inWork = 1 }
        #expect(submit(&lanes, changes(["a1", "a2"]), id: 1))
        #expect(submit(&lanes, changes(["b1", "b2", "b3"]), id: 2))
        var starts = begin(&lanes)
        #expect(starts.map(\.bookingID) == ["a1", "b1"])
        for expected in ["b2", "b3"] {
            _ = take(&lanes, starts[1].bookingID)
            lanes.leave(starts[1])
            starts[1] = lanes.next(.zero)!
            #expect(starts[1].bookingID == expected)
        }
    }

    @Test("a submission has one place in the turns, however often it had nothing in work")
    func onePlace() {
        var lanes = lanes { $0.inWork = 1 }
        #expect(submit(&lanes, changes((0..<20).map { "a\($0)" }), id: 1))
        #expect(submit(&lanes, changes((0..<20).map { "b\($0)" }), id: 2))
        var starts = begin(&lanes)
        // Each begins its next lane as its own first, while the limit is reached.
        for number in 1..<10 {
            let own = starts.removeFirst()
            _ = take(&lanes, own.bookingID)
            lanes.leave(own)
            starts.append(lanes.next(.zero)!)
            #expect(starts.last!.bookingID == "\(own.bookingID.prefix(1))\((number + 1) / 2)")
        }
        for start in starts {
            _ = take(&lanes, start.bookingID)
            lanes.leave(start)
        }
        // Now in turns.
        let order = (0..<4).map { _ in
            let start = lanes.next(.zero)!
            _ = take(&lanes, start.bookingID)
            lanes.leave(start)
            return start.bookingID.prefix(1)
        }
        #expect(Set(order[0..<2]) == ["a", "b"])
        #expect(Set(order[2..<4]) == ["a", "b"])
    }

    @Test("sweeps have lanes of their own, and know their tickets")
    func sweeps() {
        var lanes = lanes { ($0.inWork, $0.swept) = (1, 2) }
        #expect(submit(&lanes, changes(["s1", "s2", "s3"]), readings: [[reading(1)], [reading(2)], [reading(3)]], id: 1))
        #expect(submit(&lanes, changes(["a", "b"]), id: 2))
        let starts = begin(&lanes)
        #expect(starts.map(\.bookingID) == ["a", "s1", "s2"])
        #expect(starts.map(\.isSwept) == [false, true, true])
        #expect(starts.map(\.isKnown) == [false, true, true])
    }

    @Test("what a sweep has read is outdated once the lane it waited for has ended")
    func outdated() {
        var lanes = lanes()
        #expect(submit(&lanes, changes(["a"]), id: 1))
        let first = begin(&lanes)
        #expect(submit(&lanes, changes(["a", "b"]), readings: [[reading(1)], [reading(2)]], id: 2))
        #expect(take(&lanes, "a", upTo: first[0].latest).map(\.isOutdated) == [false])
        lanes.leave(first[0])
        #expect(begin(&lanes).map(\.bookingID).sorted() == ["a", "b"])
        #expect(take(&lanes, "a").map(\.isOutdated) == [true])
        #expect(take(&lanes, "b").map(\.isOutdated) == [false])
    }

    @Test("too many changes or large records are refused at once; a sweep does not count as a large record")
    func bounds() {
        var lanes = lanes { ($0.changes, $0.large) = (500, 1) }
        #expect(submit(&lanes, changes((0..<200).map { "a-\($0)" }), id: 1))
        #expect(!submit(&lanes, changes((0..<200).map { "b-\($0)" }), id: 2))
        let swept = (0..<200).map { "c-\($0)" }
        #expect(submit(&lanes, changes(swept), readings: swept.map { _ in [reading(1)] }, id: 3))
        #expect(submit(&lanes, changes((0..<100).map { "d-\($0)" }), id: 4))
        #expect(!submit(&lanes, changes(["e"]), id: 5))
        #expect(lanes.waiting == 500)
        #expect(withdraw(&lanes, 1).count == 200)
        lanes.forget(1)
        #expect(submit(&lanes, changes((0..<200).map { "b-\($0)" }), id: 6))
    }

    @Test("withdrawn changes do not start; those in work continue, but nobody waits for them")
    func withdraws() {
        var lanes = lanes { $0.inWork = 1 }
        #expect(submit(&lanes, changes(["a", "b", "c"]), id: 1))
        let start = begin(&lanes)[0]
        #expect(submit(&lanes, changes(["b"]), id: 2))
        #expect(withdraw(&lanes, 1).sorted() == [1, 2])
        lanes.forget(1)
        #expect(take(&lanes, "a").count == 1)
        lanes.leave(start)
        let other = begin(&lanes)
        #expect(other.map(\.bookingID) == ["b"])
        #expect(take(&lanes, "b").map(\.submission) == [2])
        lanes.leave(other[0])
        lanes.forget(2)
        #expect(lanes.isEmpty)
    }

    @Test("when a submission is withdrawn, others that relied on its turn continue")
    func withdrawnBefore() {
        var lanes = lanes { $0.inWork = 2 }
        #expect(submit(&lanes, changes(["x"]), id: 1))
        let first = begin(&lanes)[0]
        // 2 has another lane in work, and so waits for its turn.
        #expect(submit(&lanes, changes(["other", "x", "y"]), id: 2))
        #expect(submit(&lanes, changes(["x"]), id: 3))
        let latest = first.latest
        #expect(begin(&lanes).map(\.bookingID) == ["other"])
        #expect(take(&lanes, "x", upTo: latest).map(\.submission) == [1])
        #expect(submit(&lanes, changes(["z"]), id: 4))
        #expect(begin(&lanes).map(\.bookingID) == ["z"])
        lanes.leave(first)
        _ = withdraw(&lanes, 2)
        #expect(begin(&lanes).map(\.bookingID) == ["x"])
        #expect(take(&lanes, "x").map(\.submission) == [3])
    }

    @Test("a lane that begins knows the last change that had arrived: a later one has to be searched for")
    func latest() {
        var lanes = lanes()
        #expect(submit(&lanes, changes(["a"]), readings: [[reading(1)]], id: 1))
        let start = begin(&lanes)[0]
        #expect(start.isKnown)
        #expect(submit(&lanes, changes(["a"]), id: 2))
        #expect(begin(&lanes).isEmpty)
        #expect(take(&lanes, "a", upTo: start.latest).map(\.submission) == [1])
        lanes.leave(start)
        #expect(begin(&lanes).map(\.isKnown) == [false])
    }

    @Test("a change that arrived too late for its lane, and whose caller has left, is dropped")
    func late() {
        var lanes = lanes()
        #expect(submit(&lanes, changes(["a"]), id: 1))
        let start = begin(&lanes)[0]
        let latest = lanes.latest
        #expect(submit(&lanes, changes(["a"]), id: 2))
        #expect(begin(&lanes).isEmpty)
        #expect(take(&lanes, "a", upTo: latest).count == 1)
        _ = withdraw(&lanes, 2)
        lanes.forget(2)
        lanes.leave(start)
        lanes.forget(1)
        #expect(begin(&lanes).isEmpty)
        #expect(lanes.isEmpty)
    }

    // MARK: Parking

    private func parked(until: Int) -> Lanes.Parked { .init(until: .seconds(until), tickets: [1], results: []) }

    /// Lanes with a change of "a" that is parked until 5 s, beside another request.
    private func withParked() -> Lanes {
        var lanes = lanes()
        #expect(submit(&lanes, changes(["a"]), id: 1))
        #expect(submit(&lanes, changes(["other"]), id: 2))
        let start = begin(&lanes)[0]
        let entry = take(&lanes, "a")[0]
        #expect(park(&lanes, entry, parked(until: 5)))
        lanes.leave(start)
        return lanes
    }

    @Test("a parked change is taken along by the next change of its booking")
    func takenAlong() {
        var lanes = withParked()
        #expect(begin(&lanes).isEmpty)
        #expect(submit(&lanes, changes(["a"]), id: 3))
        let next = begin(&lanes)
        #expect(next.map(\.bookingID) == ["a"])
        #expect(!next[0].isKnown)
        #expect(take(&lanes, "a").map(\.submission) == [1, 3])
        #expect(lanes.parked == 0)
    }

    @Test("a parked change continues when its time is over, and needs no search")
    func wakes() {
        var lanes = withParked()
        lanes.wake("a", .seconds(4))
        #expect(begin(&lanes, .seconds(4)).isEmpty)
        lanes.wake("a", .seconds(5))
        let next = begin(&lanes, .seconds(5))
        #expect(next.map(\.isKnown) == [true])
        #expect(take(&lanes, "a").first?.parked?.tickets == [1])
    }

    @Test("at most half of the requests in flight are parked, and never more than the limit", arguments: [(1, 0), (2, 1), (3, 1), (9, 2)])
    func half(inFlight: Int, expected: Int) {
        var lanes = lanes { $0.parked = 2 }
        for id in 0..<inFlight { #expect(submit(&lanes, changes(["b-\(id)"]), id: id)) }
        var count = 0
        for start in begin(&lanes) {
            let entry = take(&lanes, start.bookingID)[0]
            if park(&lanes, entry, parked(until: 5)) { count += 1 }
            lanes.leave(start)
        }
        #expect(count == expected)
        for id in 0..<inFlight { lanes.forget(id) }
        #expect(lanes.parked == 0)
    }

    // MARK: Cost

    @Test("a waiting change takes few bytes besides its text: the rest is shared with its record")
    func bytes() {
        // With its lane, its place in the queue and a text of 36 characters these were 309 bytes.
        #expect(MemoryLayout<BookingChange>.stride <= 48)
        #expect(MemoryLayout<Lanes.Entry>.stride <= 80)
    }

    @Test("a lane costs the same beside ten changes and beside fifty thousand", arguments: [10, 50_000])
    func cost(others: Int) {
        var lanes = lanes { $0.inWork = 10 }
        for part in 0..<(others / 10) { #expect(submit(&lanes, changes((0..<10).map { "other-\(part)-\($0)" }), id: part + 10)) }
        _ = begin(&lanes)
        let before = lanes.steps
        for id in 0..<5 {
            #expect(submit(&lanes, changes(["a"]), id: id))
            let start = lanes.next(.zero)!
            #expect(start.bookingID == "a")
            _ = take(&lanes, "a")
            lanes.leave(start)
            lanes.forget(id)
        }
        #expect(lanes.steps - before <= 5 * 6)
    }
}
