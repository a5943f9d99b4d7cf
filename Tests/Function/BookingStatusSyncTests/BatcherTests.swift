import Simulation
import Support
import TestSupport
import Testing

@testable import BookingStatusSync
@testable import Zendesk

@Suite("Batches")
struct BatcherTests {
    typealias Numbers = Batcher<Int, Int>

    /// A batcher whose calls square numbers, and what it did.
    private final class Bench: @unchecked Sendable {
        let executor: SeededExecutor
        let scope = TaskScope()
        var batches: [(at: Duration, numbers: [Int])] = []
        var running = 0
        var most = 0
        var duration = Duration.milliseconds(100)
        var error: ZendeskError?
        private(set) var batcher: Numbers!

        init(seed: UInt64 = 1, readsPerMinute: Int = 6000, size: Int = 3, _ change: (inout Numbers.Policy) -> Void = { _ in }) {
            executor = SeededExecutor(seed: seed)
            let executor = executor
            let time = TimeSource(
                now: { executor.now },
                secondsSince1970: { executor.now / .seconds(1) },
                sleep: { try await executor.sleep($0) },
                random: { 0.5 }
            )
            self.time = time
            let budget = CallGovernor(readsPerMinute: readsPerMinute, writesPerMinute: 1, time: time)
            budget.learn([:])
            var policy = Numbers.Policy(size: { size })
            change(&policy)
            batcher = Numbers(
                policy,
                scope: scope,
                time: time,
                admit: { priority, canWait throws(ZendeskError) in try await budget.admit(.read, priority, canWait: canWait) },
                perform: { [unowned self] batch in await perform(batch) }
            )
        }

        let time: TimeSource

        private func perform(_ batch: Numbers.Batch) async -> [Numbers.Reply] {
            batches.append((executor.now, batch.requests))
            running += 1
            most = max(most, running)
            defer { running -= 1 }
            let end = batch.options.admitted?.take()
            defer { end?() }
            do {
                try await executor.sleep(duration)
            } catch {
                return batch.requests.map { _ in .failure(ZendeskError(.cancelled, "cancelled")) }
            }
            if let error { return batch.requests.map { _ in .failure(error) } }
            return batch.requests.map { .success($0 * $0) }
        }

        func run(_ body: @escaping @Sendable (Bench) async throws -> Void) {
            executor.run {
                await self.scope.whileRunning {
                    do { try await body(self) } catch { Issue.record("\(error)") }
                }
            }
        }

        func ask(_ number: Int, priority: CallPriority = .normal, within limit: Duration = .seconds(30)) async -> Numbers.Reply {
            await batcher.ask([number], CallOptions(priority, before: Deadline(after: limit, time)))[0]
        }
    }

    private static func value(_ reply: Numbers.Reply) -> Int? { try? reply.get() }
    private static func kind(_ reply: Numbers.Reply) -> ZendeskError.Kind? {
        if case .failure(let error) = reply { error.kind } else { nil }
    }

    @Test("a request alone is made at once; beside others it waits 20 ms for company")
    func pause() {
        for isAlone in [true, false] {
            let bench = Bench { $0.isAlone = { isAlone } }
            bench.run { bench in
                let reply = await bench.ask(3)
                #expect(Self.value(reply) == 9)
            }
            #expect(bench.batches.map(\.at) == [isAlone ? .zero : .milliseconds(20)])
        }
    }

    @Test("a full batch begins at once; others gather while one runs")
    func gathers() {
        let bench = Bench()
        bench.run { bench in
            await withTaskGroup(of: Void.self) { group in
                for number in 1...5 { group.addTask { _ = await bench.ask(number) } }
            }
        }
        #expect(bench.batches.map(\.numbers.count) == [3, 2])
        #expect(bench.batches[1].at == .milliseconds(100))
    }

    @Test("a call that hangs holds others back for a second")
    func patience() {
        let bench = Bench { $0.isAlone = { true } }
        bench.duration = .seconds(9)
        bench.run { bench in
            await withTaskGroup(of: Void.self) { group in
                for number in 1...2 {
                    group.addTask { _ = await bench.ask(number) }
                    try? await bench.executor.sleep(.milliseconds(1))
                }
            }
        }
        #expect(bench.batches.map(\.at) == [.zero, .seconds(1)])
    }

    @Test("at most four batches run at once")
    func width() {
        let bench = Bench(size: 1)
        bench.run { bench in
            await withTaskGroup(of: Void.self) { group in
                for number in 1...20 { group.addTask { _ = await bench.ask(number) } }
            }
        }
        #expect(bench.most == 4)
        #expect(bench.batches.count == 20)
    }

    @Test("a batch is formed when it is admitted: the scarcer the calls, the fuller; the most urgent go first")
    func scarce() {
        // Two calls at once, then one in fifteen seconds.
        let bench = Bench(readsPerMinute: 4, size: 10)
        bench.run { bench in
            await withTaskGroup(of: Void.self) { group in
                for number in 1...2 {
                    _ = await bench.ask(number)
                }
                for number in 3...8 {
                    group.addTask { _ = await bench.ask(number, priority: .normal.turn(number)) }
                    try? await bench.executor.sleep(.milliseconds(300))
                }
                group.addTask { _ = await bench.ask(9, priority: .high) }
            }
        }
        #expect(bench.batches.count == 3)
        #expect(bench.batches[2].numbers == [9, 3, 4, 5, 6, 7, 8])
    }

    @Test("a request that cannot meet its deadline is refused at once, and fails alone")
    func refuses() {
        let bench = Bench(readsPerMinute: 2, size: 10)
        bench.run { bench in
            _ = await bench.ask(1)
            let begin = bench.executor.now
            await withTaskGroup(of: Void.self) { group in
                group.addTask {
                    let reply = await bench.ask(2, within: .seconds(5))
                    #expect(Self.kind(reply) == .limited(.account))
                    #expect(bench.executor.now - begin < .seconds(1))
                }
                group.addTask {
                    let reply = await bench.ask(3, within: .seconds(60))
                    #expect(Self.value(reply) == 9)
                }
            }
        }
        #expect(bench.batches.map(\.numbers) == [[1], [3]])
    }

    @Test("the wait of a low-priority request does not refuse an urgent one")
    func lowRefusal() {
        let bench = Bench(readsPerMinute: 20, size: 10) { $0.isAlone = { true } }
        bench.run { bench in
            // A burst of ten, and one each six seconds; low priority leaves half of it.
            for number in 1...9 { _ = await bench.ask(number) }
            for _ in 0..<2 { _ = await bench.ask(0, priority: .low) }
            await withTaskGroup(of: Void.self) { group in
                group.addTask {
                    let reply = await bench.ask(20, priority: .low)
                    #expect(Self.kind(reply) == .limited(.account))
                }
                group.addTask {
                    let reply = await bench.ask(21, priority: .high, within: .seconds(20))
                    #expect(Self.value(reply) == 441)
                }
            }
        }
    }

    @Test("a request ends at its own deadline, though its batch continues")
    func deadline() {
        let bench = Bench { $0.isAlone = { true } }
        bench.duration = .seconds(9)
        bench.run { bench in
            await withTaskGroup(of: Void.self) { group in
                group.addTask {
                    let reply = await bench.ask(1, within: .seconds(3))
                    #expect(Self.kind(reply) == .timeIsUp)
                    #expect(bench.executor.now == .seconds(3))
                }
                try? await bench.executor.sleep(.milliseconds(1))
                let reply = await bench.ask(2)
                #expect(Self.value(reply) == 4)
            }
        }
    }

    @Test("waiting requests are spread over the free places, but not in batches that are too small")
    func divides() {
        let bench = Bench(size: 100) { policy in
            policy.enough = 15
            policy.pause = { .seconds(1) }
            policy.patience = .zero
            policy.width = { 5 }
        }
        bench.run { bench in
            await withTaskGroup(of: Void.self) { group in
                for number in 1...100 { group.addTask { _ = await bench.ask(number) } }
            }
            _ = await bench.ask(7)
        }
        #expect(bench.batches.map(\.numbers.count).reduce(0, +) == 101)
        #expect(bench.most == 5)
        #expect(bench.batches.count <= 7)
        // One alone waits a second for others.
        #expect(bench.batches.last!.at - bench.batches[bench.batches.count - 2].at >= .seconds(1))
    }

    @Test("a failed call fails its own requests alone")
    func fails() {
        let bench = Bench(size: 1) { $0.isAlone = { true } }
        bench.error = ZendeskError(.unavailable, "down")
        bench.run { bench in
            let failed = await bench.ask(1)
            #expect(Self.kind(failed) == .unavailable)
            bench.error = nil
            let reply = await bench.ask(2)
            #expect(Self.value(reply) == 4)
        }
    }

    @Test("a request fails instead of hanging if nothing runs the batcher")
    func notRunning() {
        let bench = Bench()
        bench.executor.run {
            let reply = await bench.ask(1)
            #expect(Self.kind(reply) == .cancelled)
        }
    }

    @Test("when the run ends, each waiting request gets an error")
    func ends() {
        let bench = Bench(size: 1)
        bench.duration = .seconds(9)
        bench.executor.run {
            await withTaskGroup(of: Void.self) { group in
                let runner = Locked(false)
                group.addTask {
                    await bench.scope.whileRunning {
                        runner.withLock { $0 = true }
                        try? await bench.executor.sleep(.seconds(2))
                    }
                }
                while !runner.value { try? await bench.executor.sleep(.milliseconds(1)) }
                for number in 1...9 {
                    group.addTask {
                        let reply = await bench.ask(number)
                        #expect(Self.kind(reply) == .cancelled)
                    }
                }
            }
            #expect(bench.executor.now < .seconds(3))
        }
    }

    /// Each request asks once, is cancelled at a random moment, has a random deadline, and belongs
    /// to a call that may fail.
    @Test("of thousands of requests, cancelled, late and failed in any order, each gets one reply", arguments: 0..<40 as Range<UInt64>)
    func many(seed: UInt64) {
        let bench = Bench(seed: seed, readsPerMinute: seed.isMultiple(of: 3) ? 200 : 6000, size: Int(seed % 7) + 1)
        let replies = Locked(0)
        bench.executor.run {
            await withTaskGroup(of: Void.self) { all in
                all.addTask {
                    await bench.scope.whileRunning {
                        await withTaskGroup(of: Void.self) { group in
                            for number in 0..<500 {
                                let executor = bench.executor
                                let (start, leave) = (executor.number(0.0...20.0), executor.chance(0.2) ? executor.number(0.0...5.0) : 99)
                                let limit = executor.number(0.01...30.0)
                                let level: CallPriority = executor.pick([.low, .normal, .high])
                                let count = executor.number(1...3)
                                group.addTask {
                                    try? await executor.sleep(.milliseconds(Int(start * 1000)))
                                    bench.duration = .milliseconds(executor.number(1...3000))
                                    bench.error = executor.chance(0.1) ? ZendeskError(.unavailable, "down") : nil
                                    let own = await withTaskGroup(of: [Numbers.Reply]?.self) { race in
                                        race.addTask {
                                            let requests = (0..<count).map { number * 3 + $0 }
                                            let deadline = Deadline(after: .milliseconds(Int(limit * 1000)), bench.time)
                                            return await bench.batcher.ask(requests, CallOptions(level.turn(number % 5), before: deadline))
                                        }
                                        race.addTask {
                                            try? await executor.sleep(.milliseconds(Int(leave * 1000)))
                                            return nil
                                        }
                                        var own: [Numbers.Reply]?
                                        for await result in race {
                                            own = own ?? result
                                            race.cancelAll()
                                        }
                                        return own
                                    }
                                    #expect(own?.count == count)
                                    for (index, reply) in (own ?? []).enumerated() {
                                        if let value = Self.value(reply) { #expect(value == (number * 3 + index) * (number * 3 + index)) }
                                    }
                                    replies.withLock { $0 += 1 }
                                }
                            }
                        }
                    }
                }
            }
        }
        #expect(replies.value == 500)
        #expect(bench.batcher.tally.waiting == 0)
        #expect(bench.batcher.tally.steps < 500 * 40)
    }
}
