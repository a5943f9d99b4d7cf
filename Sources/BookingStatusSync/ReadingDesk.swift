import Synchronization
import Support
import Zendesk

/// Reads many tickets with one call, as its ``Gathering`` decides. ``run()`` is its own task beside
/// the queue's rounds.
final class ReadingDesk: Sendable {
    private let desk: TicketDesk
    private let time: TimeSource
    private let bell = Bell()
    private let answers = Answers<TicketReadings>()
    let gathering: Mutex<Gathering>

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
            return Gathering.failed(tickets, ZendeskError(.cancelled, "cancelled while waiting for a reading"))
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
                        let rest = await self.readTogether(requests)
                        self.gathering.withLock { $0.ended(call) }
                        self.bell.ring()
                        _ = await concurrently(rest, width: rest.count) { await self.read($0) }
                    }
                }
            }
            group.cancelAll()
        }
    }

    /// - Returns: the requests to read one by one. The call left out some of their tickets, or it
    ///   failed, perhaps because of one of them.
    private func readTogether(_ requests: [Gathering.Request]) async -> [Gathering.Request] {
        guard requests.count > 1 else {
            await read(requests[0])
            return []
        }
        let priority = requests.map(\.priority).max() ?? .normal
        // A request with little time left must not shorten the deadline of the others.
        let deadline = requests.map(\.deadline).max { $0.remaining < $1.remaining }!
        var found: TicketReadings = [:]
        do throws(ZendeskError) {
            let tickets = Set(requests.flatMap(\.tickets)).sorted()
            for reading in try await desk.zendesk.tickets(tickets, priority: priority, deadline: deadline) {
                found[reading.ticket.id] = .success(reading)
            }
        } catch {
            switch error.kind {
            case .limited, .timeIsUp, .cancelled:
                for request in requests { answers.give(request.failed(error), to: request.number) }
                return []
            default: return requests
            }
        }
        let isWhole = { (request: Gathering.Request) in request.tickets.allSatisfy { found[$0] != nil } }
        for request in requests where isWhole(request) { answers.give(found, to: request.number) }
        return requests.filter { !isWhole($0) }
    }

    private func read(_ request: Gathering.Request) async {
        answers.give(
            await desk.readEach(request.tickets, priority: request.priority, deadline: request.deadline),
            to: request.number
        )
    }
}

/// Decides which tickets the next call reads. A pure state machine. It reads a request immediately,
/// and gathers requests only while four calls are running. When calls are scarce, a request also
/// waits for the rest of its round and for the running call.
struct Gathering {
    struct Request {
        let number: Int
        let tickets: [Int]
        let priority: CallPriority
        let deadline: Deadline
        let addedAt: Duration

        func failed(_ error: ZendeskError) -> TicketReadings { Gathering.failed(tickets, error) }
    }

    enum Step {
        /// Wait until something is requested, a call ends or this time has passed.
        case wait(Duration?)
        case read([Request], call: Int)
    }

    private let ticketsPerCall: Int
    private var nextNumber = 0
    private(set) var waiting: [Request] = []
    /// Start times of the running calls.
    private var calls: [Int: Duration] = [:]

    private static let width = 4
    /// Maximum time between the answers to the searches of one round.
    private static let togetherness = Duration.milliseconds(50)
    /// How long a call delays others when calls are scarce. A hanging call must not delay them all.
    private static let patience = Duration.seconds(1)

    init(ticketsPerCall: Int) { self.ticketsPerCall = ticketsPerCall }

    static func failed(_ tickets: [Int], _ error: ZendeskError) -> TicketReadings {
        Dictionary(tickets.map { ($0, .failure(error)) }, uniquingKeysWith: { first, _ in first })
    }

    /// - Returns: the request's number.
    mutating func add(_ tickets: [Int], priority: CallPriority, deadline: Deadline, _ now: Duration) -> Int {
        nextNumber += 1
        let request = Request(number: nextNumber, tickets: tickets, priority: priority, deadline: deadline, addedAt: now)
        // Requests that complete work in progress come first.
        waiting.insert(request, at: waiting.firstIndex { $0.priority < priority } ?? waiting.endIndex)
        return nextNumber
    }

    /// Forgets a request that nobody waits for.
    mutating func withdraw(_ number: Int) { waiting.removeAll { $0.number == number } }

    mutating func next(isScarce: Bool, _ now: Duration) -> Step {
        // Calls that wait for budget must not delay requests that complete work in progress.
        guard let first = waiting.first, calls.count < (first.priority == .high ? 2 : 1) * Self.width else { return .wait(nil) }
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
