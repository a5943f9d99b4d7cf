import Synchronization
import Zendesk

/// Reads tickets, many with one call, as its ``Gathering`` says. ``run()`` is its own task beside the queue's rounds.
final class ReadingDesk: Sendable {
    private let desk: TicketDesk
    private let time: TimeSource
    private let bell = Bell()
    private let answers = Answers<TicketReadings>()
    private let gathering: Mutex<Gathering>

    init(desk: TicketDesk, time: TimeSource) {
        self.desk = desk
        self.time = time
        gathering = Mutex(Gathering(ticketsPerCall: desk.zendesk.ticketsPerCall))
    }

    /// - Returns: nil if the ticket is gone.
    func read(_ ticket: Int, priority: CallPriority, deadline: Deadline) async throws(ZendeskError) -> TicketReading? {
        try await read([ticket], priority: priority, deadline: deadline)[ticket]!.get()
    }

    /// - Returns: a result for each of the tickets.
    func read(_ tickets: [Int], priority: CallPriority, deadline: Deadline) async -> TicketReadings {
        guard !tickets.isEmpty else { return [:] }
        let number = gathering.withLock { gathering in
            let number = gathering.add(tickets, priority: priority, deadline: deadline, time.now())
            answers.expect(number)
            return number
        }
        bell.ring()
        return await answers.answer(number) {
            self.gathering.withLock { $0.withdraw(number) }
            let error = ZendeskError(.cancelled, "cancelled while waiting for a reading")
            return Dictionary(tickets.map { ($0, .failure(error)) }, uniquingKeysWith: { first, _ in first })
        }
    }

    /// Reads until the task is cancelled.
    func run() async {
        await withDiscardingTaskGroup { group in
            while !Task.isCancelled {
                let (isScarce, now) = (!desk.zendesk.room.isRelaxed, time.now())
                switch gathering.withLock({ $0.next(isScarce: isScarce, now) }) {
                case .wait(let limit): await bell.wait(atMost: limit, time)
                case .read(let requests, let call):
                    group.addTask {
                        await self.read(requests)
                        self.gathering.withLock { $0.ended(call) }
                        self.bell.ring()
                    }
                }
            }
            group.cancelAll()
        }
    }

    private func read(_ requests: [Gathering.Request]) async {
        let priority = requests.map(\.priority).max() ?? .normal
        // One that has little time left must not take it from the others.
        let deadline = requests.map(\.deadline).max { $0.remaining < $1.remaining }!
        let tickets = Set(requests.flatMap(\.tickets)).sorted()
        let results = await desk.readEach(tickets, priority: priority, deadline: deadline)
        for request in requests { answers.give(results, to: request.number) }
    }
}

/// Which tickets the next call reads: a pure state machine. What is asked for is read at once, and gathers only while four calls are under
/// way. Where calls are scarce it waits for what comes together with it, and for the call that is under way.
struct Gathering {
    struct Request {
        let number: Int
        let tickets: [Int]
        let priority: CallPriority
        let deadline: Deadline
        let addedAt: Duration
    }

    enum Step {
        /// Nothing to do until something is asked for or a call ends; or until this time has passed.
        case wait(Duration?)
        case read([Request], call: Int)
    }

    private let ticketsPerCall: Int
    private var nextNumber = 0
    private var waiting: [Request] = []
    /// When the calls that are under way began.
    private var calls: [Int: Duration] = [:]

    private static let width = 4
    /// How far apart come the answers to the searches of one round.
    private static let togetherness = Duration.milliseconds(50)
    /// How long a call keeps others back where calls are scarce: one that hangs must not hold up all others.
    private static let patience = Duration.seconds(1)

    init(ticketsPerCall: Int) { self.ticketsPerCall = ticketsPerCall }

    /// - Returns: the request's number.
    mutating func add(_ tickets: [Int], priority: CallPriority, deadline: Deadline, _ now: Duration) -> Int {
        nextNumber += 1
        waiting.append(Request(number: nextNumber, tickets: tickets, priority: priority, deadline: deadline, addedAt: now))
        return nextNumber
    }

    /// Forgets a request for which nobody waits.
    mutating func withdraw(_ number: Int) { waiting.removeAll { $0.number == number } }

    mutating func next(isScarce: Bool, _ now: Duration) -> Step {
        guard let first = waiting.first, calls.count < Self.width else { return .wait(nil) }
        var (count, tickets) = (0, 0)
        for request in waiting {
            if count > 0, tickets + request.tickets.count > ticketsPerCall { break }
            (count, tickets) = (count + 1, tickets + request.tickets.count)
        }
        if isScarce, count == waiting.count {
            let begin = max(first.addedAt + Self.togetherness, calls.values.max().map { $0 + Self.patience } ?? .zero)
            guard now >= begin else { return .wait(begin - now) }
        }
        calls[first.number] = now
        defer { waiting.removeFirst(count) }
        return .read(Array(waiting.prefix(count)), call: first.number)
    }

    mutating func ended(_ call: Int) { calls[call] = nil }
}
