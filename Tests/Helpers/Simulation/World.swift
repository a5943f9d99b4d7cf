import BookingStatusSync
import Foundation
import Logging
import Zendesk
import ZendeskSimulator

/// One history: bookings change, records are delivered badly, Zendesk fails, people interfere,
/// instances die. Then the faults stop, and everything must settle.
final class World: @unchecked Sendable {
    static let bookingField = 1
    static let statusField = 2
    static let versionField = 3

    let executor: SeededExecutor
    let history: History
    let mutant: Mutant?
    let keepsVersions: Bool
    var account: SimulatedZendesk
    let readsPerMinute: Int
    let writesPerMinute: Int
    let pageLimits: Zendesk.PageLimits
    let sizes: BatchSizes
    /// Updates by jobs that are not checked yet.
    private var landed: [JobUpdate] = []
    /// The instance that began each job.
    var jobOwners: [String: Instance] = [:]
    let isTight: Bool
    let faultRate: Double
    private(set) var checker: Checker!
    private(set) var counts: [Fault: Int] = [:]
    private var lines: [String]?

    // Instances and deployments
    var instances: [Instance] = []
    private var nextInstance = 0
    private let (instancesToRun, started) = AsyncStream.makeStream(of: Instance.self)
    private let (laterActions, later) = AsyncStream.makeStream(of: Later.self)
    let firstSettings: BookingStatusSettings
    let laterSettings: BookingStatusSettings
    var isDeployed = false

    // Faults, drawn once for the history
    let clocks: Clocks
    let chaosEnds: Double
    private let outage: ClosedRange<Double>?
    private let noTokens: ClosedRange<Double>?
    /// When search finds nothing: the index is down, or the token's owner has lost the brand.
    let blindness: ClosedRange<Double>?
    let losesBrand: Bool
    let takeBacksFail: Bool
    let hasDeadLetters: Bool
    let maximumAttempts: Int
    /// Half of the histories have sweeps: no ticket may stay wrong for lack of a change. In the
    /// others there are only changes, and nothing repairs their damage.
    let sweeps: Bool
    /// Whether webhooks tell of new tickets.
    let hasWebhooks: Bool
    /// A ticket that fails, in whatever way.
    var badTicket: BadTicket?
    /// Maximum events in flight.
    let senders: Int?
    var sending = 0
    /// A booking that Spanner has twice, and when.
    private let twice: (bookingID: String, during: ClosedRange<Double>)?
    private var allInstances: [Instance] = []

    // State that the verdict depends on
    var nextMessage = 0
    var touches: [Int: Touch] = [:]
    var editsByHand: [Int: Int] = [:]
    var unversioned: Set<Int> = []
    /// An id is never given twice.
    var lastFollowUp = 0
    /// Follow-up tickets whose fields contradicted each other when they were copied, with the
    /// copied fields.
    var copiedUnfinished: [Int: [Int: JSON]] = [:]
    var indexedAt: [Int: Double] = [:]
    var flappedAt: [Int: Double] = [:]
    /// The records that missed a ticket because search had left it out.
    var missed: [Int: Set<Int>] = [:]
    /// The tickets that each record's first delivery could find.
    var dueTickets: [Int: (from: Double, tickets: [String: Set<Int>])] = [:]
    var published: [Int: Double] = [:]
    var acknowledged: [Int: Double] = [:]
    var lastDelivery: [Int: Double] = [:]
    var inFlight: [String: Int] = [:]
    var delivered: [String: Int] = [:]
    /// When the hidden field was hidden; nil if none is.
    var hiddenSince: Double?
    /// Tickets that were read while a field was hidden and the product could not know it yet. It
    /// looks at the fields once a minute, and a round lasts half a minute.
    var readWhileHidden: [Int: Double] = [:]
    /// Tickets that were read before that and written during it, without a version.
    var writtenWhileHidden: Set<Int> = []
    var isFreshlyHidden: Bool { hiddenSince.map { elapsed - $0 < 95 } ?? false }
    /// Tickets on which a person's status was replaced between check and update. The instance that
    /// got the answer must put it back.
    var raced: [Int: (status: String, by: Instance, update: Data?, isKnown: Bool)] = [:]
    /// Those tickets that another instance has written since.
    var overtaken: Set<Int> = []
    /// The last such status of each ticket.
    var everRaced: [Int: String] = [:]
    var garbled: Set<Int> = []
    /// Tickets of bookings that no record reports.
    var standBy: [Int] = []

    /// A ticket that fails for good, or that spoils every page it is on.
    struct BadTicket {
        enum Kind: CaseIterable { case read, write, both, page }
        let id: Int
        let bookingID: String
        let kind: Kind
        let status: Int

        var failsToRead: Bool { kind == .read || kind == .both }
        var failsToWrite: Bool { kind == .write || kind == .both }
        /// Whether its own changes can never be done.
        var isHopeless: Bool { kind != .page }
    }

    /// A person's last edit of a ticket.
    struct Touch {
        var at: Double
        var tag: String?
        /// Our version, if it is readable and names the ticket's booking.
        var kept: KeptVersion?
        var bookingID: String?
    }

    private struct Later: Sendable {
        let moment: Double
        let action: @Sendable () async -> Void
    }

    /// Clock errors. One history never has two errors in the same direction, since nothing could
    /// tell them from the truth.
    enum Clocks {
        case right
        case instances(Double)
        /// Zendesk's clock as a whole.
        case zendesk(Double)
        /// The `date` header alone.
        case date(Double)
        case noDate
    }

    init(seed: UInt64, mutant: Mutant?, keepsVersions: Bool, traces: Bool) {
        executor = SeededExecutor(seed: seed)
        history = History(executor)
        self.mutant = mutant
        self.keepsVersions = keepsVersions && mutant != .noVersions
        lines = traces ? [] : nil
        let options = (History.statuses + [History.newStatus, "VIP"]).map { TicketField.Option(name: $0, tag: History.tag($0)!) }
        account = SimulatedZendesk(
            fields: [
                TicketField(id: Self.bookingField, title: "Booking ID"),
                TicketField(id: Self.statusField, title: "Status", options: options),
                TicketField(id: Self.versionField, title: "Version"),
            ],
            seed: seed
        )
        account.clients = [.init(id: "c", secret: "s")]
        var settings = BookingStatusSettings(
            bookingIDField: Self.bookingField,
            bookingStatusField: Self.statusField,
            bookingVersionField: self.keepsVersions ? Self.versionField : nil,
            tags: Dictionary(uniqueKeysWithValues: History.statuses.map { ($0, History.tag($0)!) })
        )
        settings.dryRun = mutant == .dryRunWrites || executor.chance(0.03)
        firstSettings = settings
        settings.tags[History.newStatus] = History.tag(History.newStatus)
        laterSettings = settings
        isTight = executor.chance(history.isCrowd ? 0.6 : 0.1) && history.bulk.isEmpty
        readsPerMinute = isTight ? executor.number(history.isCrowd ? 25...60 : 12...25) : 200
        writesPerMinute = isTight ? executor.number(2...5) : 50
        var pages = Zendesk.PageLimits()
        if executor.chance(history.isCrowd ? 0.7 : 0.3), !isTight || history.isCrowd, history.bulk.isEmpty {
            pages.items = executor.number(history.isCrowd ? 4...6 : 2...3)
            pages.hits = pages.items * executor.number(1...2)
            pages.ids = executor.number(2...4)
        }
        pageLimits = pages
        var sizes = BatchSizes()
        if history.isCrowd, executor.chance(0.8) {
            sizes.lanes = executor.number(1...4)
            sizes.bookingsPerSearch = executor.number(2...3)
            (sizes.jobs, sizes.ticketsPerJob) = (executor.number(2...5), executor.number(1...2))
        } else if executor.chance(0.1) {
            sizes = .single
        }
        if executor.chance(0.3) { sizes.pagesPerSweep = executor.number(1...2) }
        if mutant == .parkedNeverWoken { sizes.parking = .seconds(20) }
        self.sizes = sizes
        (account.pages.items, account.pages.exported, account.pages.hits, account.pages.ids) = (
            pages.items, pages.items, pages.hits, pages.ids
        )
        if history.bulk.isEmpty {
            if executor.chance(0.1) { account.limits.ticketUpdates = executor.number(3...20) }
            if executor.chance(0.1) { account.limits.requests = executor.number(30...60) }
            if executor.chance(0.1) { account.limits.updatesOfOneTicket = executor.number(2...4) }
        }
        if executor.chance(0.4) { account.searchLag = 0...executor.number(1.0...180.0) }
        faultRate = executor.chance(0.2) ? 0 : executor.number(0.0...0.25) * (history.bulk.isEmpty ? 1 : 0.2)
        clocks =
            switch executor.number(0...11) {
            case 0: .instances(executor.number(-30.0...30.0))
            case 1: .zendesk(executor.number(-30.0...30.0))
            case 2: .date(executor.number(-30.0...30.0))
            case 3: .noDate
            default: .right
            }
        let last = history.records.last?.commits[0].seconds ?? 0
        let hasOutage = executor.chance(0.03)
        let begin = executor.number(0.0...(last + 1))
        outage = hasOutage ? begin...(begin + 3600) : nil
        let tokensFail = executor.chance(0.04)
        let tokensFailFrom = executor.number(0.0...(last + 1))
        noTokens = tokensFail ? tokensFailFrom...(tokensFailFrom + executor.number(30.0...900.0)) : nil
        let isBlind = mutant == .emptySearchBelieved || executor.chance(0.06)
        let blindFrom = mutant == .emptySearchBelieved ? 0 : executor.number(0.0...(last + 1))
        blindness = isBlind ? blindFrom...(blindFrom + executor.number(30.0...900.0)) : nil
        losesBrand = mutant != .emptySearchBelieved && executor.chance(0.4)
        takeBacksFail = executor.chance(0.1)
        chaosEnds = max(
            last + executor.number(60.0...600.0),
            hasOutage ? begin + 3700 : 0,
            tokensFail ? tokensFailFrom + 1000 : 0,
            isBlind ? blindFrom + 1000 : 0
        )
        hasDeadLetters = executor.chance(0.7)
        maximumAttempts = executor.number(5...30)
        sweeps = executor.chance(0.5) && self.keepsVersions
        hasWebhooks = executor.chance(mutant?.concernsNewTickets == true ? 1 : 0.4) && self.keepsVersions
        senders = executor.pick([1, 2, nil, nil])
        if executor.chance(0.1), let bookingID = history.commits.keys.sorted().first {
            let begin = executor.number(0.0...chaosEnds)
            twice = (bookingID, begin...max(begin, chaosEnds))
        } else {
            twice = nil
        }
        checker = Checker(self)
        drawSharedCalls()
        account.listForm.isSorted = executor.chance(0.8)
        account.listForm.hasCustomFields = executor.chance(0.8)
        account.onJobUpdate = { [unowned self] in landed.append($0) }
    }

    /// Draws the undocumented behavior of Zendesk for the history.
    private func drawSharedCalls() {
        if isDryRun { count(.dryRun) }
        if senders == 1 { count(.oneSender) }
        if senders == 2 { count(.twoSenders) }
        guard history.isCrowd else { return }
        if executor.chance(0.4) {
            account.searchBehavior.repeatedTerms = executor.pick([.all, .first, .last])
            count(.termsRestrict)
        }
        // If terms are cut off, a witness found by its ticket alone proves too little: the ticket
        // may name another booking by now.
        if executor.chance(mutant == .witnessByID ? 1 : 0.15) {
            account.searchBehavior.maximumTerms = executor.number(2...(mutant == .witnessByID ? 3 : 4))
            count(.termsCutOff)
        }
        if executor.chance(0.1) { account.searchBehavior.maximumQueryLength = executor.number(60...150) }
        account.jobBehavior.queueing = executor.number(0.2...3.0)
        account.jobBehavior.secondsPerTicket = executor.number(0.05...1.5)
        account.jobBehavior.honorsStamps = executor.chance(0.85)
        account.jobBehavior.honorsStampsLate = mutant != .lateJobOverNewerWrite
        if !account.jobBehavior.honorsStamps { count(.jobsIgnoreStamps) }
        account.jobBehavior.keepsMetadata = executor.chance(0.5)
        account.jobBehavior.namesPositions = executor.chance(0.5)
        account.jobBehavior.tooManyStatus = executor.pick([400, 403, 422, 429, 503])
        guard faultRate > 0 else { return }
        account.faults.stalledJobs = executor.number(0...0.2)
        account.faults.vanishedJobs = executor.number(0...0.1)
        account.faults.failedJobs = executor.number(0...0.1)
        account.faults.tagsDroppedByJobs = executor.number(0...0.1)
        account.faults.tooManyJobs = executor.number(0...0.1)
    }

    /// Runs the account's jobs up to now, and checks their updates.
    func lookAtJobs(until moment: Double? = nil) {
        account.runJobs(now: moment ?? zendeskNow)
        while !landed.isEmpty {
            let update = landed.removeFirst()
            count(update.isLate ? .jobLandedLate : .jobWrote)
            guard let owner = jobOwners[update.job] else { continue }
            checker.wrote(update.before, update.after, metadata: update.metadata, by: owner)
        }
    }

    // MARK: Time, chance, counts

    var isDryRun: Bool { firstSettings.dryRun }
    func isTwiceInSpanner(_ bookingID: String) -> Bool {
        twice.map { $0.bookingID == bookingID && isChaos && $0.during.contains(elapsed) } ?? false
    }

    var elapsed: Double { executor.now / .seconds(1) }
    var now: Double { History.start + elapsed }
    var isChaos: Bool { elapsed < chaosEnds }
    /// Whether the history has no faults that would keep an instance from its work.
    var isCalm: Bool {
        faultRate == 0 && !isTight && badTicket == nil && history.bulk.isEmpty && outage == nil && noTokens == nil && blindness == nil
            && account.limits == RateLimits()
            && counts[.optionMissing] == nil
            && counts[.fieldHidden] == nil
    }
    var isOutage: Bool { outage?.contains(elapsed) ?? false }
    var isBlind: Bool { blindness?.contains(elapsed) ?? false }
    /// Whether a search may have lacked a ticket without a trace: the index recovered between the
    /// search and its proof; the ticket is younger than what the list of tickets said; the brand was
    /// lost for over ten minutes, as if its tickets had been deleted; or the token's
    /// owner had lost the brand, and an instance had seen too few of its tickets to notice.
    func isUnprovable(_ ticket: Int, since begin: Double) -> Bool {
        guard let blindness, blindness.upperBound > begin - 60, blindness.lowerBound < elapsed else { return false }
        if (begin...elapsed).contains(blindness.upperBound) { return true }
        // Two tickets that are 404 count as deleted after ten minutes.
        if losesBrand, account.form.hiddenStatus == 404, elapsed - blindness.lowerBound > 600 { return true }
        if let createdAt = account.tickets[ticket]?.createdAt, createdAt > zendeskNow - 660 { return true }
        return losesBrand
            && instances.contains { instance in
                instance.seen.count { id, bookingID in
                    account.tickets[id].map { $0.status != "closed" && $0.text(of: Self.bookingField) == bookingID } ?? false
                } < 2
            }
    }
    var hasNoTokens: Bool { noTokens?.contains(elapsed) ?? false }
    /// Zendesk's own time.
    var zendeskNow: Double {
        if case .zendesk(let error) = clocks { now + error } else { now }
    }

    func count(_ fault: Fault) { counts[fault, default: 0] += 1 }

    func trace(_ line: () -> String) {
        guard lines != nil else { return }
        lines?.append("\(String(format: "%10.3f", elapsed)) \(line())")
    }

    func wait(until moment: Double) async {
        try? await executor.sleep(.microseconds(Int64(max(0, moment - elapsed) * 1_000_000)))
    }

    /// Schedules an action for a later moment.
    func at(_ moment: Double, _ action: @escaping @Sendable () async -> Void) {
        later.yield(Later(moment: moment, action: action))
    }

    // MARK: The run

    func run() -> Verdict {
        countHistory()
        for _ in 0..<executor.number(1...3) { instances.append(newInstance()) }
        executor.run { await self.live() }
        lookAtJobs(until: .infinity)
        countJobs()
        for instance in allInstances { checker.worked(instance) }
        let known = judge()
        return Verdict(violations: checker.violations, knownLimits: known, counts: counts, trace: lines ?? [])
    }

    private func countJobs() {
        let faults = account.jobFaults
        for (fault, number) in [
            (Fault.jobStalled, faults.stalled), (.jobVanished, faults.vanished), (.jobFailed, faults.failed),
            (.jobDroppedTag, faults.droppedTags), (.tooManyJobs, faults.tooMany),
        ] where number > 0 { counts[fault, default: 0] += number }
    }

    private func live() async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.runInstances() }
            group.addTask { await self.doLater() }
            openTickets()
            at(chaosEnds) { self.account.faults = .init() }
            await happen()
            started.finish()
            later.finish()
        }
    }

    private func runInstances() async {
        await withTaskGroup(of: Void.self) { group in
            for await instance in instancesToRun { group.addTask { await instance.run() } }
            group.cancelAll()
        }
    }

    private func doLater() async {
        await withTaskGroup(of: Void.self) { group in
            for await action in laterActions {
                group.addTask {
                    await self.wait(until: action.moment)
                    if !Task.isCancelled { await action.action() }
                }
            }
            group.cancelAll()
        }
    }

    private func happen() async {
        await withTaskGroup(of: Void.self) { group in
            for record in history.records.indices {
                group.addTask { await self.publish(record) }
            }
            // An edit that a later change expects, between two that come out of order, is rare.
            for _ in 0..<(mutant == .handEditKeepsVersion ? 3 : executor.number(0...4)) {
                let moment = executor.number(0.0...chaosEnds)
                group.addTask {
                    await self.wait(until: moment)
                    self.interfere()
                }
            }
            if history.isCrowd {
                for _ in 0..<executor.number(0...6) {
                    let moment = executor.number(0.0...chaosEnds)
                    group.addTask {
                        await self.wait(until: moment)
                        self.interfereWithOthers()
                    }
                }
            }
            if executor.chance(0.1) {
                group.addTask { await self.removeOption() }
            } else if executor.chance(0.04) {
                group.addTask { await self.hideField() }
            }
            if history.usesNewStatus || executor.chance(0.1) {
                group.addTask { await self.deploy() }
            }
            if sweeps {
                group.addTask { await self.sweepAgainAndAgain() }
                if executor.chance(0.1) {
                    group.addTask { await self.sweepAllInChaos() }
                }
                for _ in 0..<executor.number(0...2) {
                    let moment = executor.number(0.0...chaosEnds)
                    group.addTask {
                        await self.wait(until: moment)
                        await self.interfereWithSweeps()
                    }
                }
            }
        }
        if sweeps { await sweepAll() }
    }

    // MARK: Instances

    func newInstance() -> Instance {
        nextInstance += 1
        var clockError = 0.0
        if case .instances(let error) = clocks {
            count(.clocksDiffer)
            clockError = nextInstance.isMultiple(of: 2) ? error : 0
        }
        let instance = Instance(nextInstance, self, settings: isDeployed ? laterSettings : firstSettings, clockError: clockError)
        started.yield(instance)
        allInstances.append(instance)
        return instance
    }

    /// Replaces the instances with a new revision, one by one. For a while both revisions are at
    /// work.
    private func deploy() async {
        await wait(until: executor.number(0.0...chaosEnds * 0.9))
        count(.deployment)
        isDeployed = true
        trace { "a deployment begins" }
        for index in instances.indices {
            await wait(until: elapsed + executor.number(0.1...60.0))
            let former = instances[index]
            instances[index] = newInstance()
            await drain(former)
        }
    }

    /// Drains an instance, as SIGTERM does. It gets no new events, and the rest is cancelled after
    /// eight seconds.
    private func drain(_ instance: Instance) async {
        count(.instanceDrained)
        trace { "\(instance.name) is drained" }
        instance.drain()
        at(elapsed + 8) { instance.end() }
    }

    // MARK: Counts of the drawn history

    private func countHistory() {
        for record in history.records {
            if record.commits.count > 1 { count(.severalMods) }
            if record.cutsToMilliseconds { count(.millisecondProducer) }
            if record.isAmbiguous { count(.ambiguous) }
            if record.hasCompositeKey { count(.compositeKey) }
            if record.commits.count > 100 { count(.bulk) }
        }
        for (_, commits) in history.commits {
            for (former, latter) in zip(commits, commits.dropFirst()) {
                if latter.transaction == former.transaction { count(.replaced) }
                if latter.microseconds / 1000 == former.microseconds / 1000 { count(.sameMillisecond) }
                if latter.to == former.from, latter.to != latter.from { count(.reversal) }
            }
            for commit in commits {
                switch commit.kind {
                case .delete: count(.deletion)
                case .timeToLive: count(.timeToLive)
                case .sameValue: count(.sameValue)
                case .otherColumn: count(.otherColumn)
                case .update where commit.to == nil: count(.nullStatus)
                default: break
                }
                if commit.to == History.newStatus { count(.newStatus) }
            }
        }
        for bookingID in history.commits.keys {
            let producers = Set(history.records.filter { $0.commits.contains { $0.bookingID == bookingID } }.map(\.cutsToMilliseconds))
            if producers.count > 1 { count(.bothProducers) }
        }
        switch history.capture {
        case .oldAndNew: count(.captureOldAndNew)
        case .newValues: count(.captureNewValues)
        case .newRow: count(.captureNewRow)
        case .newRowAndOld: count(.captureNewRowAndOld)
        }
    }
}
