import Zendesk

/// Which changes wait, which bookings are in work, and what the next round takes: a pure state
/// machine.
///
/// A round takes bookings, one from each submission in turn, and with each booking all that waits
/// for it. What comes for a booking until its search is answered joins the round: later, a ticket
/// may have been opened that the search could not find. What comes later waits until the booking is
/// free again. Sweeps fill what live changes leave. A change that has to wait for the one before it
/// is parked: it is taken along by the next change of its booking, or its tickets are read once
/// more when its time is over.
struct RoundSchedule {
    /// Bookings in one round at most.
    let bookingsPerRound: Int
    /// Bookings of all rounds together at most, besides changes that came alone.
    let maximumInWork: Int
    /// Rounds at once at most.
    let maximumRounds: Int
    /// Bookings at once that only sweeps ask for. They may wait for budget, so they keep no round
    /// open.
    let maximumSwept: Int

    private var nextNumber = 0
    /// What waits, by its number.
    private var waiting: [Int: Entry] = [:]
    private var waitingFor: [String: [Int]] = [:]
    private var submissions: [Submission] = []
    private var inWork: [String: Work] = [:]
    /// How many bookings of each round have not been read, and when it began.
    private var rounds: [Int: (left: Int, begun: Duration)] = [:]
    private var lastRound: Duration?
    private var sweptInWork = 0
    /// What a search is thought to need of the budget for reads, until its tickets are read.
    private(set) var readsPerSearch = Self.minimumReadsPerSearch

    /// One change of a submission.
    struct Entry: Sendable {
        /// The submission, and the change's place in it.
        let submission: Int
        let index: Int
        let change: PendingChange
        /// The booking's tickets, where a sweep has read them.
        let readings: [TicketReading]
        /// Whether it came by itself while little else was waiting: it is not part of a burst, nor
        /// of a large record.
        let isAlone: Bool
        /// Nil for a change that has not been tried.
        var parked: Parking?

        var bookingID: String { change.tagChange.bookingID }

        /// Whether its tickets are known, so that nobody has to look for them.
        fileprivate func knowsTickets(_ now: Duration) -> Bool { change.isSweep || parked.map { $0.until <= now } ?? false }
    }

    /// A change that waits for the one before it.
    struct Parking: Sendable {
        var until: Duration
        /// The tickets that wait.
        var tickets: [Int]
        /// What became of the change on the others.
        var results: [TicketResult]
    }

    private struct Submission {
        let id: Int
        let isSweep: Bool
        /// Numbers of entries, in the order in which they came.
        var queue: ArraySlice<Int>
    }

    private struct Work {
        /// Nil for a booking that only sweeps asked for.
        let round: Int?
        /// The last entry that came before its tickets were searched for.
        var lastToJoin = Int.max
        /// Whether its tickets have been read.
        var isRead = false
    }

    /// What the bookings of a round share.
    struct Sharing: Equatable, Sendable {
        var bookingsPerSearch = 1
        var hasJobs = false
        var writes = true
    }

    init(bookingsPerRound: Int = 100, maximumInWork: Int = 1000, maximumRounds: Int = 3, maximumSwept: Int = 8) {
        self.bookingsPerRound = bookingsPerRound
        self.maximumInWork = maximumInWork
        self.maximumRounds = maximumRounds
        self.maximumSwept = maximumSwept
    }

    /// - Returns: the submission's number.
    mutating func submit(_ changes: [(change: PendingChange, readings: [TicketReading])]) -> Int {
        let id = number()
        var queue: ArraySlice<Int> = []
        let isAlone = changes.count == 1 && submissions.count <= Self.fewSubmissions
        for (index, item) in changes.enumerated() {
            let entry = Entry(submission: id, index: index, change: item.change, readings: item.readings, isAlone: isAlone)
            let number = number()
            waiting[number] = entry
            waitingFor[entry.bookingID, default: []].append(number)
            queue.append(number)
        }
        submissions.append(Submission(id: id, isSweep: changes.first?.change.isSweep ?? false, queue: queue))
        return id
    }

    private mutating func number() -> Int {
        nextNumber += 1
        return nextNumber
    }

    /// More submissions at once are a burst.
    private static let fewSubmissions = 4

    // MARK: Rounds

    /// A search, a reading, and one more reading or the options.
    static let minimumReadsPerSearch = 3
    /// One that takes several pages needs more, and nobody knows before. After the budget did not
    /// do, fewer begin at once, so that what has been begun comes to an end.
    private static let maximumReadsPerSearch = 48
    /// What the jobs of a round need besides.
    static let readsPerJobs = 6

    /// For how long a round keeps others back: one booking whose calls hang must not stop all.
    static let patience = Duration.seconds(3)
    /// How far apart rounds begin once a quarter of the budget is used: fewer and larger ones need
    /// fewer calls.
    static let pace = Duration.milliseconds(1300)
    /// So many bookings wait for no time to pass: they nearly fill a search.
    private static let enough = 16

    /// Whether nothing waits and nothing is in work.
    var isEmpty: Bool { waiting.isEmpty && submissions.isEmpty && inWork.isEmpty && rounds.isEmpty }

    /// Whether a live change waits for a booking that is free.
    func wantsRound(_ now: Duration) -> Bool {
        submissions.contains { submission in !submission.isSweep && submission.queue.contains { isReady($0, now) } }
    }

    /// How many submissions wait for an earlier change.
    var parkedSubmissions: Int { Set(waiting.values.filter { $0.parked != nil }.map(\.submission)).count }

    /// How long until the next of them goes on. One whose time is over waits only for its booking.
    func untilParked(_ now: Duration) -> Duration? {
        waiting.values.compactMap { $0.parked?.until }.filter { $0 > now }.min().map { $0 - now }
    }

    /// How many bookings live changes wait for.
    private func readyBookings(_ now: Duration) -> Int {
        waitingFor.count { booking, numbers in
            inWork[booking] == nil && numbers.contains { isReady($0, now) && waiting[$0]?.change.isSweep == false }
        }
    }

    private func isReady(_ number: Int, _ now: Duration) -> Bool {
        guard let entry = waiting[number], inWork[entry.bookingID] == nil, inWork.count < maximumInWork || entry.isAlone else {
            return false
        }
        return entry.parked.map { $0.until <= now } ?? true
    }

    /// Draws the bookings of the next round. The caller has seen that the budgets have room for one
    /// booking at least.
    ///
    /// - Parameters:
    ///   - room: what the budgets have room for.
    ///   - sharing: how many bookings share a search, and whether their updates share jobs.
    ///   - now: monotonic.
    /// - Returns: empty if no round can begin.
    mutating func draw(_ room: CallRoom, _ sharing: Sharing, now: Duration) -> [String] {
        // The first answers tell the account's limits: until then one booking goes alone.
        guard room.isKnown || inWork.isEmpty else { return [] }
        // What is in work has not made all of its calls.
        let searches = (room.reads - (sharing.hasJobs && room.reads > Self.readsPerJobs * 4 ? Self.readsPerJobs : 0)) / readsPerSearch
        var limit = min(bookingsPerRound, searches * sharing.bookingsPerSearch - inWork.count)
        if sharing.writes, !sharing.hasJobs { limit = min(limit, room.writes - inWork.count) }
        if inWork.isEmpty { limit = room.isKnown ? max(1, limit) : 1 }
        // Where calls are scarce, searches are full.
        let full = sharing.bookingsPerSearch
        let ready = room.isRelaxed ? 0 : readyBookings(now)
        if full > 1, ready > full { limit = min(limit, ready / full * full) }
        guard limit > 0 else { return [] }
        var bookings: [String] = []
        let isTime = room.isRelaxed || ready >= Self.enough || lastRound.map { now - $0 >= Self.pace } ?? true
        if isTime, rounds.values.count(where: { now - $0.begun < Self.patience }) < (room.isRelaxed ? maximumRounds : 1) {
            let round = number()
            bookings = takeTurns(isSweep: false, upTo: limit, round, now)
            if !bookings.isEmpty {
                rounds[round] = (bookings.count, now)
                lastRound = now
            }
        }
        let places = sharing.hasJobs ? bookingsPerRound : maximumSwept
        let swept = takeTurns(isSweep: true, upTo: min(limit - bookings.count, places - sweptInWork), nil, now)
        sweptInWork += swept.count
        return bookings + swept
    }

    /// One booking from each submission, again and again. Those that were served go to the end.
    private mutating func takeTurns(isSweep: Bool, upTo limit: Int, _ round: Int?, _ now: Duration) -> [String] {
        var bookings: [String] = []
        var turn = submissions.filter { $0.isSweep == isSweep }
        var passed: [Submission] = []
        while bookings.count < limit, !turn.isEmpty {
            var served: [Submission] = []
            for var submission in turn {
                if bookings.count < limit, let booking = firstFree(&submission, now) {
                    bookings.append(booking)
                    inWork[booking] = Work(round: round)
                    served.append(submission)
                } else {
                    passed.append(submission)
                }
            }
            turn = served
        }
        // What has left while its booking was in work has nothing to wait for.
        submissions = submissions.filter { $0.isSweep != isSweep } + passed.filter { !$0.queue.isEmpty } + turn
        return bookings
    }

    private func firstFree(_ submission: inout Submission, _ now: Duration) -> String? {
        // What another submission's turn has taken along.
        while let first = submission.queue.first, waiting[first] == nil { submission.queue.removeFirst() }
        return submission.queue.first { isReady($0, now) }.flatMap { waiting[$0]?.bookingID }
    }

    /// The changes of a booking for which nobody has to look for tickets: those of sweeps, and
    /// those that were parked until now.
    ///
    /// - Returns: nil if the tickets have to be found.
    mutating func takeKnown(_ booking: String, _ now: Duration) -> [Entry]? {
        guard (waitingFor[booking] ?? []).allSatisfy({ waiting[$0]?.knowsTickets(now) ?? true }) else { return nil }
        return take(booking)
    }

    /// Takes back a change that waits for the one before it.
    mutating func park(_ entry: Entry, _ parking: Parking) {
        var entry = entry
        entry.parked = parking
        let number = number()
        waiting[number] = entry
        waitingFor[entry.bookingID, default: []].append(number)
        if let index = submissions.firstIndex(where: { $0.id == entry.submission }) {
            submissions[index].queue.append(number)
        } else {
            submissions.append(Submission(id: entry.submission, isSweep: false, queue: [number]))
        }
    }

    /// The search for a booking's tickets is answered: nothing joins any more.
    mutating func close(_ booking: String) { inWork[booking]?.lastToJoin = nextNumber }

    /// Takes what waits for a booking in work, now that its tickets have been read.
    mutating func take(_ booking: String) -> [Entry] {
        if let work = inWork[booking], !work.isRead {
            inWork[booking]?.isRead = true
            if let round = work.round { pass(round) }
        }
        let last = inWork[booking]?.lastToJoin ?? .max
        let numbers = waitingFor.removeValue(forKey: booking) ?? []
        let later = numbers.filter { $0 > last }
        if !later.isEmpty { waitingFor[booking] = later }
        return numbers.filter { $0 <= last }.compactMap { waiting.removeValue(forKey: $0) }
    }

    /// A booking leaves its round: its own tickets are settled.
    ///
    /// - Parameter ranOut: whether the budget for reads was used up before its tickets had been
    ///   read.
    mutating func leave(_ booking: String, ranOut: Bool = false) {
        guard let work = inWork.removeValue(forKey: booking) else { return }
        // Nobody has searched for what a sweep brought.
        guard let round = work.round else { return sweptInWork -= 1 }
        readsPerSearch =
            ranOut ? min(readsPerSearch * 2, Self.maximumReadsPerSearch) : max(readsPerSearch / 2, Self.minimumReadsPerSearch)
        if !work.isRead { pass(round) }
    }

    /// A booking's tickets have been read: what is left of its way keeps no other round back.
    private mutating func pass(_ round: Int) {
        rounds[round]!.left -= 1
        if rounds[round]!.left == 0 { rounds[round] = nil }
    }

    /// How long until another round may begin, as far as time alone decides that.
    func untilNextRound(_ now: Duration, isRelaxed: Bool) -> Duration {
        let pace = isRelaxed ? .zero : lastRound.map { $0 + Self.pace - now } ?? .zero
        return pace > .zero ? pace : Self.patience
    }

    /// Takes away what a submission still waits for. What is in a round goes on.
    ///
    /// - Returns: the places of those changes.
    mutating func withdraw(_ submission: Int) -> [Int] {
        guard let position = submissions.firstIndex(where: { $0.id == submission }) else { return [] }
        var withdrawn: [Int] = []
        var queue = submissions[position].queue
        queue.removeAll { number in
            guard let entry = waiting[number] else { return true }
            if let work = inWork[entry.bookingID], !work.isRead, number <= work.lastToJoin { return false }
            waiting[number] = nil
            waitingFor[entry.bookingID]?.removeAll { $0 == number }
            if waitingFor[entry.bookingID]?.isEmpty == true { waitingFor[entry.bookingID] = nil }
            withdrawn.append(entry.index)
            return true
        }
        submissions[position].queue = queue
        if queue.isEmpty { submissions.remove(at: position) }
        return withdrawn
    }

    /// Forgets a submission of which nothing waits any more.
    mutating func forget(_ submission: Int) { submissions.removeAll { $0.id == submission && $0.queue.allSatisfy { waiting[$0] == nil } } }
}
