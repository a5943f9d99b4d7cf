import TestSupport
import Testing
import Support
import Zendesk

@testable import BookingStatusSync

@Suite("Gathering")
struct GatheringTests {
    private let deadline = Deadline(after: .seconds(30), ManualTime().source)
    private var gathering = Gathering(ticketsPerCall: 5)

    private mutating func add(_ tickets: [Int], at milliseconds: Int = 0, _ priority: CallPriority = .normal) {
        _ = gathering.add(tickets, priority: priority, deadline: deadline, .milliseconds(milliseconds))
    }

    /// The tickets of the next call and its number; nil if none may begin.
    private mutating func call(isScarce: Bool = false, at milliseconds: Int = 0) -> (tickets: [Int], number: Int)? {
        guard case .read(let requests, let call) = gathering.next(isScarce: isScarce, .milliseconds(milliseconds)) else { return nil }
        return (requests.flatMap(\.tickets), call)
    }

    @Test("waiting requests are read at once, in one call")
    mutating func together() {
        add([1, 2])
        add([3])
        #expect(call()?.tickets == [1, 2, 3])
        #expect(call() == nil)
    }

    @Test("four calls run at once; the next begins when one of them ends")
    mutating func width() throws {
        var numbers: [Int] = []
        for ticket in 1...4 {
            add([ticket])
            numbers.append(try #require(call()).number)
        }
        add([5])
        add([6])
        #expect(call() == nil)
        gathering.ended(numbers[2])
        #expect(call()?.tickets == [5, 6])
    }

    @Test("a high-priority request goes first, even beside four calls that await their turn")
    mutating func high() {
        for ticket in 1...4 {
            add([ticket])
            #expect(call()?.tickets == [ticket])
        }
        add([5])
        #expect(call() == nil)
        add([6], at: 0, .high)
        #expect(call()?.tickets == [6, 5])
    }

    @Test("when calls are scarce, a request waits briefly for others to join it")
    mutating func sameMoment() {
        add([1])
        #expect(call(isScarce: true, at: 49) == nil)
        add([2], at: 49)
        #expect(call(isScarce: true, at: 50)?.tickets == [1, 2])
    }

    @Test("when calls are scarce, requests gather while a call is in flight, for at most a second")
    mutating func scarce() throws {
        add([1])
        let first = try #require(call(isScarce: true, at: 50))
        add([2], at: 100)
        #expect(call(isScarce: true, at: 1000) == nil)
        add([3], at: 1040)
        #expect(call(isScarce: true, at: 1050)?.tickets == [2, 3])
        add([4], at: 1100)
        gathering.ended(first.number)
        #expect(call(isScarce: true, at: 1900) == nil)
        #expect(call(isScarce: false, at: 1900)?.tickets == [4])
    }

    @Test("a request that fills a call does not wait")
    mutating func full() {
        add([1, 2, 3])
        add([4, 5, 6])
        #expect(call(isScarce: true)?.tickets == [1, 2, 3])
        #expect(call(isScarce: true) == nil)
    }

    @Test("a request larger than a call goes alone")
    mutating func large() {
        add(Array(1...7))
        add([8])
        #expect(call()?.tickets == Array(1...7))
        #expect(call()?.tickets == [8])
    }

    @Test("a withdrawn request is not read")
    mutating func withdrawn() {
        let number = gathering.add([1], priority: .normal, deadline: deadline, .zero)
        add([2])
        gathering.withdraw(number)
        #expect(call()?.tickets == [2])
    }
}
