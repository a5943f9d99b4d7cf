import Support
import TestSupport
import Testing

@Suite("Semaphore", .timeLimit(.minutes(5)))
struct AsyncSemaphoreTests {
    private var farAway: Deadline { Deadline(after: .seconds(240), .system) }

    /// Whether exactly so many places are free.
    private func hasFree(_ places: Int, _ semaphore: AsyncSemaphore) async -> Bool {
        for _ in 0..<places {
            guard await semaphore.enter(before: farAway) else { return false }
        }
        defer { for _ in 0..<places { semaphore.leave() } }
        return await !semaphore.enter(before: Deadline(after: .zero, .system))
    }

    @Test("admits all of two thousand tasks, and never more at a time than it has places", arguments: [1, 3, 40])
    func places(places: Int) async {
        let semaphore = AsyncSemaphore(places: places)
        let inside = Locked((now: 0, most: 0, total: 0))
        await withDiscardingTaskGroup { group in
            for _ in 0..<2000 {
                group.addTask {
                    #expect(await semaphore.enter(before: farAway))
                    inside.withLock { $0 = ($0.now + 1, max($0.most, $0.now + 1), $0.total + 1) }
                    await Task.yield()
                    inside.withLock { $0.now -= 1 }
                    semaphore.leave()
                }
            }
        }
        #expect(inside.value.most <= places)
        #expect(inside.value.total == 2000)
        #expect(await hasFree(places, semaphore))
    }

    @Test("admits in order of arrival")
    func order() async {
        let semaphore = AsyncSemaphore()
        let order = Locked<[Int]>([])
        #expect(await semaphore.enter(before: farAway))
        await withDiscardingTaskGroup { group in
            for number in 0..<100 {
                let (arrivals, arrived) = AsyncStream.makeStream(of: Void.self)
                // Whoever waits sleeps beside it, until its deadline.
                var time = TimeSource.system
                time.sleep = { duration in
                    arrived.finish()
                    try await Task.sleep(for: duration)
                }
                let deadline = Deadline(after: .seconds(240), time)
                group.addTask {
                    guard await semaphore.enter(before: deadline) else { return }
                    order.withLock { $0.append(number) }
                    semaphore.leave()
                }
                for await _ in arrivals {}
            }
            semaphore.leave()
        }
        #expect(order.value == Array(0..<100))
    }

    @Test("a task that is cancelled or out of time takes no place, and nobody else's is lost", arguments: [1, 3])
    func givingUp(places: Int) async {
        let semaphore = AsyncSemaphore(places: places)
        let counts = Locked((admitted: 0, refused: 0))
        await withTaskGroup(of: Void.self) { group in
            for number in 0..<2000 {
                group.addTask {
                    await withTaskGroup(of: Void.self) { own in
                        own.addTask {
                            let wait = Duration.microseconds(number % 3 == 1 ? Int.random(in: 0...2000) : 200_000_000)
                            guard await semaphore.enter(before: Deadline(after: wait, .system)) else {
                                counts.withLock { $0.refused += 1 }
                                return
                            }
                            await Task.yield()
                            counts.withLock { $0.admitted += 1 }
                            semaphore.leave()
                        }
                        guard number % 3 == 2 else { return }
                        try? await Task.sleep(for: .microseconds(Int.random(in: 0...500)))
                        own.cancelAll()
                    }
                }
            }
        }
        #expect(counts.value.admitted + counts.value.refused == 2000)
        #expect(counts.value.admitted >= 667)
        #expect(await hasFree(places, semaphore))
    }
}
