import Testing

@testable import Zendesk

@Suite("Call budgets")
struct RateBudgetTests {
    /// How long a call would wait now.
    private func wait(_ budget: inout RateBudget, _ priority: CallPriority = .normal, at now: Duration) -> Duration {
        let place = budget.join(priority)
        guard case .wait(let wait) = budget.admit(place, now: now) else {
            budget.end(place, wasMade: false, now: now)
            return .zero
        }
        budget.giveUp(place)
        return wait
    }

    /// Makes a call that takes no time.
    private func call(_ budget: inout RateBudget, _ priority: CallPriority = .normal, at now: Duration) {
        let place = budget.join(priority)
        #expect(budget.admit(place, now: now) == .admitted)
        budget.end(place, now: now)
    }

    @Test("no sixty seconds hold more calls than the limit, wherever within a call Zendesk counts it")
    func slidingWindow() {
        var budget = RateBudget(perMinute: 3)
        var now = Duration.zero
        var calls: [(begin: Duration, end: Duration)] = []
        for number in 0..<20 {
            let place = budget.join()
            while case .wait(let wait) = budget.admit(place, now: now) { now += wait }
            let begin = now
            now += .seconds(number % 4)
            budget.end(place, now: now)
            calls.append((begin, now))
        }
        for (index, call) in calls.enumerated().dropFirst(3) {
            #expect(call.begin >= calls[index - 3].end + .seconds(60))
        }
    }

    @Test("waiting calls are admitted in order of arrival, and later ones leave room for earlier ones")
    func order() {
        var budget = RateBudget(perMinute: 1)
        let first = budget.join()
        #expect(budget.admit(first, now: .zero) == .admitted)
        budget.end(first, now: .seconds(1))
        let second = budget.join()
        let third = budget.join()
        #expect(budget.admit(third, now: .seconds(61)) == .wait(.seconds(60)))
        #expect(budget.admit(second, now: .seconds(61)) == .admitted)
        budget.giveUp(third)
        #expect(wait(&budget, at: .seconds(61)) == .seconds(60))
    }

    @Test("half of the calls may start at once; the others last until the first places come back")
    func burst() {
        var budget = RateBudget(perMinute: 60)
        for _ in 0..<30 { call(&budget, at: .zero) }
        #expect(wait(&budget, at: .zero) == .seconds(2))
        for number in 1...29 { call(&budget, at: .seconds(2 * number)) }
        for _ in 0..<25 { call(&budget, at: .seconds(60)) }
    }

    @Test("a call that is not made costs nothing")
    func notMade() {
        var budget = RateBudget(perMinute: 2)
        for _ in 0..<5 {
            let place = budget.join()
            #expect(budget.admit(place, now: .zero) == .admitted)
            budget.end(place, wasMade: false, now: .zero)
        }
        #expect(budget.used(now: .zero) == 0)
    }

    @Test("a reserved place is left to calls of high priority")
    func reserved() {
        var budget = RateBudget(perMinute: 2)
        call(&budget, at: .zero)
        budget.reserve()
        #expect(wait(&budget, at: .seconds(40)) == .seconds(20))
        #expect(wait(&budget, .high, at: .seconds(40)) == .zero)
        budget.release()
        #expect(wait(&budget, at: .seconds(40)) == .zero)
    }

    @Test("low priority leaves part of a burst to others")
    func low() {
        var budget = RateBudget(perMinute: 20)
        // A tenth of the budget is its own.
        for _ in 0..<3 { call(&budget, .low, at: .zero) }
        for _ in 0..<6 { call(&budget, at: .zero) }
        #expect(wait(&budget, .low, at: .zero) > .seconds(15))
        #expect(wait(&budget, at: .zero) == .zero)
    }

    @Test("low priority waits until half of the budget is free")
    func lowInTheWindow() {
        var budget = RateBudget(perMinute: 20)
        for _ in 0..<2 { call(&budget, .low, at: .zero) }
        for second in 0..<9 { call(&budget, at: .seconds(second * 3)) }
        #expect(wait(&budget, .low, at: .seconds(50)) == .seconds(10))
        #expect(wait(&budget, at: .seconds(50)) == .zero)
    }

    @Test("within a level, a caller's first calls go before other callers' later ones")
    func turns() {
        var budget = RateBudget(perMinute: 1)
        let later = budget.join(.high.turn(7))
        let first = budget.join(.high)
        #expect(budget.admit(later, now: .zero) != .admitted)
        #expect(budget.admit(first, now: .zero) == .admitted)
    }

    @Test("high priority goes before earlier calls")
    func high() {
        var budget = RateBudget(perMinute: 1)
        let normal = budget.join()
        let high = budget.join(.high)
        #expect(budget.admit(normal, now: .zero) == .wait(.seconds(60)))
        #expect(budget.admit(high, now: .zero) == .admitted)
    }

    @Test("a tenth of the budget is reserved for low priority, so endless load does not starve it")
    func share() {
        var budget = RateBudget(perMinute: 20)
        var now = Duration.zero
        var admitted = 0
        var low: [RateBudget.Call] = []
        for second in 0..<140 {
            now = .seconds(second)
            // As much live load as there are places, every second.
            for _ in 0..<20 {
                let live = budget.join()
                if case .admitted = budget.admit(live, now: now) { budget.end(live, now: now) } else { budget.giveUp(live) }
            }
            if second == 0 { low = (0..<10).map { _ in budget.join(.low) } }
            for place in low.dropFirst(admitted) {
                guard case .admitted = budget.admit(place, now: now) else { break }
                budget.end(place, now: now)
                admitted += 1
            }
        }
        #expect((2...8).contains(admitted))
    }

    @Test("room is the number of calls that have a place, besides those that wait for one")
    func room() {
        var budget = RateBudget(perMinute: 10)
        #expect(budget.room(now: .zero) == 10)
        for second in 0..<6 { call(&budget, at: .seconds(second * 6)) }
        #expect(budget.room(now: .seconds(36)) == 4)
        _ = budget.join()
        _ = budget.join(.low)
        #expect(budget.room(now: .seconds(36)) == 3)
        budget.block(for: .seconds(1), now: .seconds(36))
        #expect(budget.room(now: .seconds(36)) == 0)
    }

    @Test("the budget is at most half of the account's limit, but never less than one call")
    func learns() {
        var budget = RateBudget(perMinute: 50)
        budget.learn(RateLimitWindow(total: 20), now: .zero)
        #expect(budget.limit == 10)
        budget.learn(RateLimitWindow(total: 1), now: .zero)
        #expect(budget.limit == 1)
        budget.learn(RateLimitWindow(total: 700), now: .zero)
        #expect(budget.limit == 50)
    }

    @Test("in the last tenth of the account's limit, a call starts every two seconds until the window ends")
    func lastTenth() {
        var budget = RateBudget(perMinute: 50)
        budget.learn(RateLimitWindow(total: 100, remaining: 11, resets: .seconds(30)), now: .zero)
        #expect(wait(&budget, at: .zero) == .zero)
        budget.learn(RateLimitWindow(total: 100, remaining: 10, resets: .seconds(30)), now: .seconds(10))
        let place = budget.join()
        #expect(budget.admit(place, now: .seconds(10)) == .admitted)
        #expect(budget.isScarce(now: .seconds(10)))
        #expect(wait(&budget, at: .seconds(10)) == .seconds(2))
        #expect(wait(&budget, at: .seconds(12)) == .zero)
        budget.learn(RateLimitWindow(total: 100, remaining: 0, resets: .seconds(25)), now: .seconds(15))
        #expect(wait(&budget, at: .seconds(15)) == .seconds(25))
    }

    @Test("no answer blocks for more than ten minutes")
    func longBlock() {
        var budget = RateBudget(perMinute: 50)
        budget.block(for: .seconds(100_000_000), now: .zero)
        #expect(wait(&budget, at: .zero) == .seconds(600))
        budget.learn(RateLimitWindow(total: 100, remaining: 0, resets: .seconds(100_000_000)), now: .seconds(1))
        #expect(wait(&budget, at: .seconds(1)) == .seconds(600))
    }

    @Test("a Retry-After holds every call back until it is over")
    func blocked() {
        var budget = RateBudget(perMinute: 50)
        budget.block(for: .seconds(17), now: .seconds(1))
        budget.block(for: .seconds(5), now: .seconds(1))
        let place = budget.join()
        #expect(budget.admit(place, now: .seconds(2)) == .wait(.seconds(16)))
        #expect(budget.admit(place, now: .seconds(18)) == .admitted)
    }

    @Test(
        "the headers are read in every spelling ever used",
        arguments: [
            (["x-rate-limit": "700", "x-rate-limit-remaining": "699"], RateLimitWindow(total: 700, remaining: 699)),
            (
                ["ratelimit-limit": "700", "ratelimit-remaining": "1", "ratelimit-reset": "9"],
                RateLimitWindow(total: 700, remaining: 1, resets: .seconds(9))
            ),
            (
                ["rate-limit": "200", "rate-limit-remaining": "7", "rate-limit-reset": "3"],
                RateLimitWindow(total: 200, remaining: 7, resets: .seconds(3))
            ),
            (["x-rate-limit": "many"], nil), (["x-rate-limit": "0"], nil), ([:], nil),
        ] as [([String: String], RateLimitWindow?)]
    )
    func accountHeaders(headers: [String: String], window: RateLimitWindow?) {
        #expect(RateLimitWindow.account(headers) == window)
    }

    @Test(
        "the limit of ticket updates is read from its own header",
        arguments: ["zendesk-ratelimit-tickets-update", "zendesk-rate-limit-tickets-update"]
    )
    func updateHeaders(name: String) {
        let window = RateLimitWindow(total: 20, remaining: 19, resets: .seconds(59))
        #expect(RateLimitWindow.ticketUpdates([name: "total=20; remaining=19; resets=59"]) == window)
        #expect(RateLimitWindow.ticketUpdates([name: "nonsense"]) == nil)
        #expect(RateLimitWindow.ticketUpdates([:]) == nil)
    }
}
