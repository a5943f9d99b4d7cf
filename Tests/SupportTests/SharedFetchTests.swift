import Support
import TestSupport
import Testing

@Suite("Shared fetch", .timeLimit(.minutes(5)))
struct SharedFetchTests {
    private struct Failure: Error, Equatable { var number = 0 }

    private let fetch = SharedFetch<Int?>(nil)
    private let fetches = Locked(0)

    private func value(
        before deadline: Deadline = Deadline(after: .seconds(240), .system),
        _ body: () async throws(Failure) -> Int
    ) async throws(Failure) -> Int {
        try await fetch.value(before: deadline, late: Failure(number: -1)) { value throws(Failure) in
            value
        } fetch: { () async throws(Failure) in
            fetches.withLock { $0 += 1 }
            let value = try await body()
            fetch.withState { $0 = value }
            return value
        }
    }

    @Test("a thousand callers at once share one fetch")
    func shared() async throws {
        try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<1000 {
                group.addTask {
                    try await value { () throws(Failure) in
                        for _ in 0..<100 { await Task.yield() }
                        return 7
                    }
                }
            }
            for try await value in group { #expect(value == 7) }
        }
        #expect(fetches.value == 1)
        #expect(try await value { () throws(Failure) in throw Failure() } == 7)
    }

    @Test("a failed fetch is its caller's own; the next caller fetches again, and one fetch runs at a time")
    func failing() async {
        let running = Locked((now: 0, most: 0))
        let values = await withTaskGroup(of: Int?.self) { group in
            for number in 0..<500 {
                group.addTask {
                    try? await value { () throws(Failure) in
                        running.withLock { $0 = ($0.now + 1, max($0.most, $0.now + 1)) }
                        await Task.yield()
                        running.withLock { $0.now -= 1 }
                        let isLast = fetches.value == 50
                        guard isLast else { throw Failure(number: number) }
                        return 8
                    }
                }
            }
            return await group.reduce(into: [Int?]()) { $0.append($1) }
        }
        #expect(running.value.most == 1)
        #expect(fetches.value == 50)
        #expect(values.count { $0 == nil } == 49)
        #expect(values.count { $0 == 8 } == 451)
    }

    @Test("a caller cancelled while it fetches does not fail the others")
    func cancelled() async throws {
        let (starts, started) = AsyncStream.makeStream(of: Void.self)
        try await withThrowingTaskGroup(of: Int.self) { group in
            let first = Task {
                try await value { () throws(Failure) in
                    started.finish()
                    try? await Task.sleep(for: .seconds(3600))
                    throw Failure()
                }
            }
            for await _ in starts {}
            for _ in 0..<500 { group.addTask { try await value { () throws(Failure) in 9 } } }
            first.cancel()
            await #expect(throws: Failure.self) { try await first.value }
            for try await value in group { #expect(value == 9) }
        }
        #expect(fetches.value == 2)
    }

    @Test("a caller whose deadline passes while another fetches is told so")
    func late() async throws {
        let (starts, started) = AsyncStream.makeStream(of: Void.self)
        let first = Task {
            try await value { () throws(Failure) in
                started.finish()
                try? await Task.sleep(for: .seconds(3600))
                return 3
            }
        }
        for await _ in starts {}
        await #expect(throws: Failure(number: -1)) {
            try await value(before: Deadline(after: .milliseconds(5), .system)) { () throws(Failure) in 4 }
        }
        first.cancel()
        #expect(try await first.value == 3)
        #expect(try await value { () throws(Failure) in 4 } == 3)
    }
}
