import Zendesk

/// Decides what the next round takes, and tracks waiting changes and bookings in progress. A pure
/// state machine.
///
/// A round takes bookings from the submissions in turn, one at a time, and all waiting changes of
/// each booking. A change joins the round if it arrives before its booking's search is answered.
/// After that, a ticket may have been opened that the search could not find. So a later change
/// waits until the booking is free again. Sweeps use the capacity that live changes leave. A change
/// that has to wait for the previous one is parked. Either the next change of its booking takes it
/// along, or its tickets are read again when its time is over.
struct RoundSchedule {
    /// Maximum bookings in one round.
    let bookingsPerRound: Int
    /// Maximum bookings of all rounds together, excluding changes that came alone.
    let maximumInWork: Int
    /// Maximum concurrent rounds.
    let maximumRounds: Int
    /// Maximum concurrent bookings that only sweeps asked for. They may wait for budget, so they
    /// keep no round open.
    let maximumSwept: Int

    private var nextNumber = 0
    /// The waiting changes, by number.
    private var waiting: [Int: Entry] = [:]
    private var waitingFor: [String: [Int]] = [:]
    private var submissions: [Submission] = []
    private var inWork: [String: Work] = [:]
    /// The number of unread bookings in each round, and when the round began.
    private var rounds: [Int: (left: Int, begun: Duration)] = [:]
    private var lastRound: Duration?
    private var sweptInWork = 0
    /// Estimated reads per search, up to the reading of its tickets.
    private(set) var readsPerSearch = Self.minimumReadsPerSearch

    /// One change of a submission.
    struct Entry: Sendable {
        /// The submission, and the change's index in it.
        let submission: Int
        let index: Int
        let change: PendingChange
        /// The booking's tickets, if a sweep has read them.
        let readings: [TicketReading]
        /// Whether it came by itself while little else was waiting, and not in a burst or a large
        /// record.
        let isAlone: Bool
        /// Nil for a change that has not been tried.
        var parked: Parking?

        var bookingID: String { change.tagChange.bookingID }

        /// Whether its tickets are known and need no search.
        fileprivate func knowsTickets(_ now: Duration) -> Bool { change.isSweep || parked.map { $0.until <= now } ?? false }
    }

    /// The state of a change that waits for the previous one.
    struct Parking: Sendable {
        var until: Duration
        /// The tickets on which the change waits.
        var tickets: [Int]
        /// The results of the change on the other tickets.
        var results: [TicketResult]
    }

    private struct Submission {
        let id: Int
        let isSweep: Bool
        /// Entry numbers in order of arrival.
        var queue: ArraySlice<Int>
    }

    private struct Work {
        /// Nil for a booking that only sweeps asked for.
        let round: Int?
        /// The last entry that arrived before its search was answered.
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

    /// A search, a read, and one more read or the options.
    static let minimumReadsPerSearch = 3
    /// A search with several pages needs more reads, which is not known in advance. After the
    /// budget ran out, fewer searches start at once, so that the running ones can finish.
    private static let maximumReadsPerSearch = 48
    /// Additional reads for the jobs of a round.
    static let readsPerJobs = 6

    /// How long a round delays others. One booking whose calls hang must not stop them all.
    static let patience = Duration.seconds(3)
    /// Minimum time between rounds once a quarter of the budget is used. Fewer, larger rounds need
    /// fewer calls.
    static let pace = Duration.milliseconds(1300)
    /// Number of bookings that need not wait for the pace, because they nearly fill a search.
    private static let enough = 16

    /// Whether nothing waits and nothing is in progress.
    var isEmpty: Bool { waiting.isEmpty && submissions.isEmpty && inWork.isEmpty && rounds.isEmpty }

    /// Whether a live change waits for a booking that is free.
    func wantsRound(_ now: Duration) -> Bool {
        submissions.contains { submission in !submission.isSweep && submission.queue.contains { isReady($0, now) } }
    }

    /// How many submissions wait for an earlier change.
    var parkedSubmissions: Int { Set(waiting.values.filter { $0.parked != nil }.map(\.submission)).count }

    /// Time until the next parked change continues. One whose time is over waits only for its
    /// booking.
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

    /// Draws the bookings of the next round. The caller has checked that the budgets have room for
    /// at least one booking.
    ///
    /// - Parameters:
    ///   - room: what the budgets have room for.
    ///   - sharing: how many bookings share a search, and whether their updates share jobs.
    ///   - now: monotonic.
    /// - Returns: empty if no round can begin.
    mutating func draw(_ room: CallRoom, _ sharing: Sharing, now: Duration) -> [String] {
        // The first answers state the account's limits. Until then, one booking goes alone.
        guard room.isKnown || inWork.isEmpty else { return [] }
        // Bookings in progress have not made all of their calls yet.
        let searches = (room.reads - (sharing.hasJobs && room.reads > Self.readsPerJobs * 4 ? Self.readsPerJobs : 0)) / readsPerSearch
        var limit = min(bookingsPerRound, searches * sharing.bookingsPerSearch - inWork.count)
        if sharing.writes, !sharing.hasJobs { limit = min(limit, room.writes - inWork.count) }
        if inWork.isEmpty { limit = room.isKnown ? max(1, limit) : 1 }
        // When calls are scarce, searches are full.
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

    /// Takes one booking from each submission, repeatedly. Submissions that were served go to the
    /// end.
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
        // Submissions that left while their booking was in progress have nothing to wait for.
        submissions = submissions.filter { $0.isSweep != isSweep } + passed.filter { !$0.queue.isEmpty } + turn
        return bookings
    }

    private func firstFree(_ submission: inout Submission, _ now: Duration) -> String? {
        // Skip changes that another submission's turn has taken along.
        while let first = submission.queue.first, waiting[first] == nil { submission.queue.removeFirst() }
        return submission.queue.first { isReady($0, now) }.flatMap { waiting[$0]?.bookingID }
    }

    /// Takes the changes of a booking whose tickets are known: the changes of sweeps, and parked
    /// changes whose time is over.
    ///
    /// - Returns: nil if the tickets have to be found.
    mutating func takeKnown(_ booking: String, _ now: Duration) -> [Entry]? {
        guard (waitingFor[booking] ?? []).allSatisfy({ waiting[$0]?.knowsTickets(now) ?? true }) else { return nil }
        return take(booking)
    }

    /// Parks a change that has to wait for the previous one.
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

    /// Closes a booking's round to further changes, because its search is answered.
    mutating func close(_ booking: String) { inWork[booking]?.lastToJoin = nextNumber }

    /// Takes the waiting changes of a booking in progress, once its tickets have been read.
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

    /// Removes a booking from its round, once its tickets are settled.
    ///
    /// - Parameter ranOut: whether the budget for reads ran out before its tickets had been read.
    mutating func leave(_ booking: String, ranOut: Bool = false) {
        guard let work = inWork.removeValue(forKey: booking) else { return }
        // A sweep's booking needs no search.
        guard let round = work.round else { return sweptInWork -= 1 }
        readsPerSearch =
            ranOut ? min(readsPerSearch * 2, Self.maximumReadsPerSearch) : max(readsPerSearch / 2, Self.minimumReadsPerSearch)
        if !work.isRead { pass(round) }
    }

    /// Records that a booking's tickets have been read. The rest of its work delays no other round.
    private mutating func pass(_ round: Int) {
        rounds[round]!.left -= 1
        if rounds[round]!.left == 0 { rounds[round] = nil }
    }

    /// Time until another round may begin, as far as time alone decides.
    func untilNextRound(_ now: Duration, isRelaxed: Bool) -> Duration {
        let pace = isRelaxed ? .zero : lastRound.map { $0 + Self.pace - now } ?? .zero
        return pace > .zero ? pace : Self.patience
    }

    /// Withdraws the waiting changes of a submission. Those in a round continue.
    ///
    /// - Returns: the indexes of the withdrawn changes.
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

    /// Forgets a submission that has no waiting changes.
    mutating func forget(_ submission: Int) { submissions.removeAll { $0.id == submission && $0.queue.allSatisfy { waiting[$0] == nil } } }
}
