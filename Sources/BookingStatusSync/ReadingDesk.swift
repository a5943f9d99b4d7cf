import Synchronization
import Zendesk

/// Reads tickets, many with one call: while calls are under way, what is asked for gathers. ``run()`` is its own task beside the queue's
/// rounds.
final class ReadingDesk: Sendable {
    private let desk: TicketDesk
    private let time: TimeSource
    private let bell = Bell()
    private let answers = Answers<Result<TicketReading?, ZendeskError>>()
    private let state = Mutex(State())

    fileprivate struct State {
        var nextNumber = 0
        var waiting: [Request] = []
        var calls = 0
    }

    fileprivate struct Request {
        let number: Int
        let ticket: Int
        let priority: CallPriority
        let deadline: Deadline
    }

    /// Calls at once: one that hangs must not hold up all others.
    private static let width = 4

    init(desk: TicketDesk, time: TimeSource) {
        self.desk = desk
        self.time = time
    }

    /// - Returns: nil if the ticket is gone.
    func read(_ ticket: Int, priority: CallPriority, deadline: Deadline) async throws(ZendeskError) -> TicketReading? {
        let number = state.withLock { state in
            state.nextNumber += 1
            state.waiting.append(Request(number: state.nextNumber, ticket: ticket, priority: priority, deadline: deadline))
            answers.expect(state.nextNumber)
            return state.nextNumber
        }
        bell.ring()
        let result = await answers.answer(number) {
            self.state.withLock { $0.waiting.removeAll { $0.number == number } }
            return .failure(ZendeskError(.cancelled, "cancelled while waiting for a reading"))
        }
        return try result.get()
    }

    /// Reads until the task is cancelled.
    func run() async {
        await withDiscardingTaskGroup { group in
            while !Task.isCancelled {
                let requests = state.withLock { $0.take(width: Self.width, upTo: desk.zendesk.ticketsPerCall) }
                if requests.isEmpty {
                    await bell.wait(atMost: nil, time)
                } else {
                    group.addTask {
                        await self.read(requests)
                        self.state.withLock { $0.calls -= 1 }
                        self.bell.ring()
                    }
                }
            }
            group.cancelAll()
        }
    }

    private func read(_ requests: [Request]) async {
        let priority = requests.map(\.priority).max() ?? .normal
        // One that has little time left must not take it from the others.
        let deadline = requests.map(\.deadline).max { $0.remaining < $1.remaining }!
        do throws(ZendeskError) {
            let tickets = requests.map(\.ticket)
            // One alone is read on its own path, which also tells whether it is gone.
            let found =
                tickets.count == 1
                ? [TicketFound(id: tickets[0], reading: try await desk.read(tickets[0], priority: priority, deadline: deadline))]
                : try await desk.read(tickets, priority: priority, deadline: deadline)
            for (request, found) in zip(requests, found) { answers.give(.success(found.reading), to: request.number) }
        } catch {
            for request in requests { answers.give(.failure(error), to: request.number) }
        }
    }
}

extension ReadingDesk.State {
    fileprivate mutating func take(width: Int, upTo limit: Int) -> [ReadingDesk.Request] {
        guard calls < width, !waiting.isEmpty else { return [] }
        calls += 1
        defer { waiting.removeFirst(min(limit, waiting.count)) }
        return Array(waiting.prefix(limit))
    }
}
