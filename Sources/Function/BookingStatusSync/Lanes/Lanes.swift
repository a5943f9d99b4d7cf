import DequeModule
import Zendesk

/// Queues the waiting changes in one lane per booking, and decides which lane starts next. A pure
/// state machine. The cost of an operation does not depend on how much is waiting.
///
/// A booking is processed once at a time. A change that arrives before the booking's search is
/// answered joins the current turn. A later change waits for the lane's next turn, because a ticket
/// may have been opened that the search could not find. Submissions take turns at starting lanes. A
/// change that has to wait for the previous one is parked. The next change of its booking resumes
/// it; otherwise its tickets are read again when its time is over.
struct Lanes {
    /// Limits of the waiting and the running work.
    struct Limits: Sendable {
        /// Lanes in work at once, besides the first of each submission.
        var inWork = 1000
        /// The same for sweeps.
        var swept = 100
        /// Waiting changes.
        var changes = 100_000
        /// Submissions of more than ``largeRows`` changes.
        var large = 40
        /// Submissions with a parked change.
        var parked = 20

        static let largeRows = 100
    }

    /// A change of a submission.
    struct Entry: Sendable {
        let change: BookingChange
        let submission: Int
        /// The change's index in its submission.
        let index: Int
        fileprivate let number: Int
        /// The booking's tickets if a sweep has read them, or the state of a parked change.
        fileprivate(set) var known: Known?
        /// Whether the lane has been at work since the tickets were read, and may have written them.
        fileprivate(set) var isOutdated = false

        /// The booking's tickets that a sweep has read.
        var readings: [TicketReading] {
            if case .readings(let readings) = known { readings } else { [] }
        }
        var parked: Parked? {
            if case .parked(let parked) = known { parked } else { nil }
        }
    }

    indirect enum Known: Sendable {
        case readings([TicketReading])
        case parked(Parked)
    }

    /// The state of a change that waits for the previous one.
    struct Parked: Sendable {
        var until: Duration
        /// The tickets on which the change waits.
        var tickets: [Int]
        /// The results of the change on the other tickets.
        var results: [TicketResult]
    }

    /// A lane that begins.
    struct Start: Sendable {
        let bookingID: String
        /// How many lanes its submission had begun before.
        let turn: Int
        /// Whether a sweep's turn began it.
        let isSwept: Bool
        /// Whether its tickets are known and need no search.
        let isKnown: Bool
        /// The number of the last change that had arrived when it began.
        let latest: Int
        fileprivate let submission: Int
    }

    private struct Lane {
        var waiting: [Entry] = []
        /// When its work began; nil if it is not in work.
        var began: Duration?

        var isInWork: Bool { began != nil }
    }

    private struct Submission {
        let isSweep: Bool
        let isLarge: Bool
        /// The bookings whose lanes it has not begun.
        var queue: Deque<String>
        var begun = 0
        var inWork = 0
        /// The number of its place in the turns, if it has one.
        var place: Int?
        var parked = 0
    }

    /// Submissions with something to begin, in turns.
    private struct Turns {
        typealias Position = (submission: Int, number: Int)

        private var next: Deque<Position> = []
        /// Submissions with no lane in work. They may always start one.
        private var first: Deque<Position> = []
        var inWork = 0

        mutating func add(_ position: Position, isFirst: Bool) { if isFirst { first.append(position) } else { next.append(position) } }

        mutating func take(limit: Int) -> Position? { first.popFirst() ?? (inWork < limit ? next.popFirst() : nil) }
    }

    let limits: Limits
    private var lanes: [String: Lane] = [:]
    private var submissions: [Int: Submission] = [:]
    private var live = Turns()
    private var swept = Turns()
    private var places = 0
    private var large = 0
    private(set) var parked = 0
    /// The changes that wait.
    private(set) var waiting = 0
    /// The number of the latest change.
    private(set) var latest = 0
    private(set) var steps = 0

    init(limits: Limits) { self.limits = limits }

    var inWork: Int { live.inWork + swept.inWork }
    var isEmpty: Bool { lanes.isEmpty && submissions.isEmpty && waiting == 0 }
    /// When the work began that has taken longest.
    var oldest: Duration? { lanes.values.lazy.compactMap(\.began).min() }
    /// Submissions whose callers still wait.
    var inFlight: Int { submissions.count }

    // MARK: Submissions

    /// Adds changes.
    ///
    /// - Parameter readings: the tickets of each change's booking, if a sweep has read them.
    /// - Returns: false if too much is waiting.
    mutating func submit(_ changes: [BookingChange], readings: [[TicketReading]]? = nil, id: Int) -> Bool {
        let isLarge = changes.count > Limits.largeRows
        let isSweep = readings != nil
        guard waiting + changes.count <= limits.changes, isSweep || !isLarge || large < limits.large else { return false }
        if isLarge, !isSweep { large += 1 }
        submissions[id] = Submission(isSweep: isSweep, isLarge: isLarge && !isSweep, queue: Deque(changes.lazy.map(\.bookingID)))
        for (index, change) in changes.enumerated() {
            latest += 1
            let known = readings.map { Known.readings($0[index]) }
            let entry = Entry(change: change, submission: id, index: index, number: latest, known: known)
            lanes[change.bookingID, default: Lane()].waiting.append(entry)
        }
        waiting += changes.count
        steps += changes.count
        enqueue(id)
        return true
    }

    /// The submissions that wait for a booking.
    func submissions(of bookingID: String) -> [Int] { lanes[bookingID]?.waiting.map(\.submission) ?? [] }

    /// Withdraws the changes of a submission whose lanes it has not begun.
    ///
    /// - Returns: their indexes.
    mutating func withdraw(_ id: Int) -> [Int] {
        guard let queue = submissions[id]?.queue else { return [] }
        submissions[id]!.queue = []
        var withdrawn: [Int] = []
        for bookingID in queue {
            steps += 1
            guard var lane = lanes[bookingID], !lane.isInWork else { continue }
            withdrawn += lane.waiting.filter { $0.submission == id }.map(\.index)
            for entry in lane.waiting where entry.submission == id && entry.parked != nil { unpark(entry) }
            lane.waiting.removeAll { $0.submission == id }
            lanes[bookingID] = lane.waiting.isEmpty ? nil : lane
            // Other submissions may have relied on this one to start the lane.
            if let next = lane.waiting.first { resume(bookingID, next.submission) }
        }
        waiting -= withdrawn.count
        return withdrawn
    }

    /// Forgets a submission whose caller has left.
    mutating func forget(_ id: Int) {
        guard let submission = submissions.removeValue(forKey: id) else { return }
        if submission.isLarge { large -= 1 }
        if submission.parked > 0 { parked -= 1 }
    }

    /// Drops the changes whose callers have left.
    private mutating func clean(_ bookingID: String) {
        guard var lane = lanes[bookingID] else { return }
        let count = lane.waiting.count
        lane.waiting.removeAll { submissions[$0.submission] == nil }
        waiting -= count - lane.waiting.count
        steps += count
        lanes[bookingID] = lane.waiting.isEmpty && !lane.isInWork ? nil : lane
    }

    // MARK: Turns

    /// The next lane that may begin.
    mutating func next(_ now: Duration) -> Start? { next(isSwept: false, now) ?? next(isSwept: true, now) }

    private mutating func next(isSwept: Bool, _ now: Duration) -> Start? {
        while let id = takeTurn(isSwept) {
            submissions[id]!.place = nil
            while let bookingID = submissions[id]!.queue.popFirst() {
                steps += 1
                // A lane in work starts again when it ends. Another may be empty, because its
                // changes joined an earlier turn.
                guard let lane = lanes[bookingID], !lane.isInWork, !lane.waiting.isEmpty else { continue }
                let isKnown = lane.waiting.allSatisfy { !$0.readings.isEmpty || $0.parked.map { $0.until <= now } ?? false }
                lanes[bookingID]!.began = now
                let turn = submissions[id]!.begun
                submissions[id]!.begun += 1
                submissions[id]!.inWork += 1
                if isSwept { swept.inWork += 1 } else { live.inWork += 1 }
                enqueue(id)
                return Start(bookingID: bookingID, turn: turn, isSwept: isSwept, isKnown: isKnown, latest: latest, submission: id)
            }
        }
        return nil
    }

    private mutating func takeTurn(_ isSwept: Bool) -> Int? {
        while let place = isSwept ? swept.take(limit: limits.swept) : live.take(limit: limits.inWork) {
            // A submission that has got a better place since no longer uses this one.
            if submissions[place.submission]?.place == place.number { return place.submission }
        }
        return nil
    }

    private mutating func enqueue(_ id: Int) {
        guard let submission = submissions[id], !submission.queue.isEmpty, submission.place == nil else { return }
        places += 1
        submissions[id]!.place = places
        let isFirst = submission.inWork == 0
        if submission.isSweep { swept.add((id, places), isFirst: isFirst) } else { live.add((id, places), isFirst: isFirst) }
    }

    // MARK: A lane in work

    /// Takes the waiting changes of a lane in work.
    ///
    /// - Parameter last: the number of the last change that arrived before its search was answered.
    mutating func take(_ bookingID: String, upTo last: Int = .max) -> [Entry] {
        guard var lane = lanes[bookingID] else { return [] }
        let taken = lane.waiting.filter { $0.number <= last }
        lane.waiting.removeAll { $0.number <= last }
        lanes[bookingID] = lane
        for entry in taken where entry.parked != nil { unpark(entry) }
        waiting -= taken.count
        steps += taken.count
        return taken
    }

    /// Parks a change of a lane in work, unless too many of the requests in flight are parked
    /// already.
    mutating func park(_ entry: Entry, _ parking: Parked) -> Bool {
        guard let submission = submissions[entry.submission] else { return false }
        if submission.parked == 0 {
            guard parked < min(limits.parked, inFlight / 2) else { return false }
            parked += 1
        }
        submissions[entry.submission]!.parked += 1
        latest += 1
        let entry = Entry(change: entry.change, submission: entry.submission, index: entry.index, number: latest, known: .parked(parking))
        lanes[entry.change.bookingID]!.waiting.append(entry)
        waiting += 1
        return true
    }

    private mutating func unpark(_ entry: Entry) {
        guard submissions[entry.submission] != nil else { return }
        submissions[entry.submission]!.parked -= 1
        if submissions[entry.submission]!.parked == 0 { parked -= 1 }
    }

    /// Lets a parked change continue, if its time is over.
    mutating func wake(_ bookingID: String, _ now: Duration) {
        clean(bookingID)
        guard let lane = lanes[bookingID], !lane.isInWork,
            let due = lane.waiting.first(where: { $0.parked.map { $0.until <= now } ?? false })
        else { return }
        resume(bookingID, due.submission)
    }

    /// Ends a lane's work. Changes that have arrived meanwhile get its next turn.
    mutating func leave(_ start: Start) {
        if start.isSwept { swept.inWork -= 1 } else { live.inWork -= 1 }
        steps += 1
        submissions[start.submission]?.inWork -= 1
        // With nothing in work it may always begin one.
        if submissions[start.submission]?.inWork == 0 {
            submissions[start.submission]!.place = nil
            enqueue(start.submission)
        }
        lanes[start.bookingID]!.began = nil
        for index in lanes[start.bookingID]!.waiting.indices { lanes[start.bookingID]!.waiting[index].isOutdated = true }
        clean(start.bookingID)
        if let next = lanes[start.bookingID]?.waiting.first(where: { $0.parked == nil }) { resume(start.bookingID, next.submission) }
    }

    private mutating func resume(_ bookingID: String, _ submission: Int) {
        submissions[submission]?.queue.prepend(bookingID)
        enqueue(submission)
    }
}
