import Support
import Zendesk

/// Decides step by step how the changes of one booking reach one ticket. A state machine: it names
/// the next action and performs none itself.
///
/// It also decides how to retry, what to do about a lost answer, when to take a write back, and
/// when to stop. The driver performs each action and reports the result.
struct TicketSettlement: Sendable {
    enum Event: Sendable {
        case reading(TicketReading)
        /// The ticket's own path returned 404 `RecordNotFound`: the ticket was deleted or merged
        /// into another.
        case gone
        case option(exists: Bool)
        case audits([TicketAudit])
        case written(TicketUpdateAnswer)
        case failed(ZendeskError)
    }

    enum Action: Equatable, Sendable {
        case read(after: Duration)
        /// Whether the status field has an option with this tag.
        case askOption(tag: String)
        case readAudits
        /// - Parameter mayShare: whether it may be part of a job. The settlement treats a job like
        ///   a lost answer, and reads the ticket to see the result.
        case write(TicketUpdate, mayShare: Bool)
        /// Like a write. It also means that the known options were wrong.
        case takeBack(TicketUpdate)
        /// The result of each change, and what to remember about the ticket.
        case done([TicketResult], TicketNotes)
    }

    /// The time and the randomness available to an event.
    struct Moment: Sendable {
        /// Monotonic.
        var now: Duration
        var secondsSince1970: Double
        /// Time left for the whole settlement.
        var remaining: Duration
        /// From 0 up to 1.
        var random: Double
    }

    /// Maximum tries of a write, and maximum tries to take it back.
    static let maximumTries = 5
    /// Maximum reads of a ticket while waiting for a stamp that is old enough.
    static let maximumStampWaits = 4
    /// Maximum pause. A longer one is left to the next delivery.
    static let maximumPause = Duration.seconds(3)
    /// Maximum age of the last check of the fields.
    static let fieldsAge = Duration.seconds(60)
    /// Minimum age of a stamp in seconds before a safe update. A safe update does not notice a
    /// change within the stamp's own second. Two seconds are safe.
    static let stampAge: Int64 = 2

    let ticket: Int
    /// Oldest first.
    let changes: [BookingChange]
    private let settings: BookingStatusSettings
    private let rule: Rule

    private var notes: TicketNotes
    private var step = Step.reading
    private var plan: BatchPlan?
    /// A write without an answer, and the ticket that it was meant for. The next reading shows the
    /// result.
    private var unanswered: Attempt?
    /// The error of a write that Zendesk refused. The next reading shows whether the ticket was
    /// closed.
    private var rejection: ZendeskError?
    /// Outcomes of changes that must not be written because their tag is not an option.
    private var excluded: [Int: Outcome] = [:]
    private var tries = 0
    private var hasWritten = false
    private var takeBacks = 0
    private var hasReadAgain = false
    private var stampWaits = 0
    private var seenStamp: (stamp: String, at: Duration)?

    private struct Attempt {
        var plan: BatchPlan
        var write: BatchPlan.Write
        var former: Ticket
    }

    private enum Step {
        case reading
        case asking(BatchPlan.Write, TicketReading)
        case writing(Attempt)
        case readingAudits(KeptVersion, Ticket)
        case takingBack
    }

    init(ticket: Int, changes: [BookingChange], settings: BookingStatusSettings, rule: @escaping Rule, notes: TicketNotes = .init()) {
        self.ticket = ticket
        self.changes = changes
        self.settings = settings
        self.rule = rule
        self.notes = notes
    }

    /// Processes an event.
    ///
    /// - Returns: the next action. The first event is a reading. Each later event answers the
    ///   previous action.
    mutating func next(_ event: Event, at moment: Moment) -> Action {
        switch (step, event) {
        case (_, .gone):
            notes = TicketNotes()
            return done(changes.map { _ in TicketResult(ticket: ticket, outcome: .gone) })
        case (.reading, .reading(let reading)): return decide(on: reading, moment)
        case (.asking(let write, let reading), .option(let exists)):
            guard !exists else { return self.write(write, to: reading) }
            excluded[write.change] = .tagNotAccepted
            return decide(on: reading, moment)
        case (.writing(let attempt), .written(let answer)): return check(answer, attempt, moment)
        case (.writing(let attempt), .reading(let reading)):
            // It was part of a job, which does not report what happened to it.
            (unanswered, tries) = (attempt, tries + 1)
            return decide(on: reading, moment)
        case (.writing(let attempt), .failed(let error)): return handle(error, attempt, moment)
        case (.readingAudits(let version, let ticket), .audits(let audits)): return judge(version, on: ticket, by: audits, moment)
        case (.takingBack, .written):
            notes.owed = nil
            return read(after: .zero, moment)
        case (.takingBack, .failed(let error)): return handleTakeBack(error, moment)
        case (_, .failed(let error)): return fail(error)
        default: preconditionFailure("\(event) does not answer \(step)")
        }
    }

    // MARK: A reading

    private mutating func decide(on reading: TicketReading, _ moment: Moment) -> Action {
        if seenStamp?.stamp != reading.ticket.updatedStamp { seenStamp = (reading.ticket.updatedStamp, moment.now) }
        let state = settings.state(of: reading.ticket, latest: moment.secondsSince1970 + BookingStatusHandler.maximumClockDifference)
        if let rejection {
            self.rejection = nil
            guard state.isClosed else { return fail(rejection) }
        }
        if let owed = notes.owed {
            // Another lane may have written the ticket after it was read for this one.
            if let read = RFC3339(reading.ticket.updatedStamp), let written = RFC3339(owed.stamp), read.seconds < written.seconds,
                !hasReadAgain, !hasWritten
            {
                hasReadAgain = true
                return self.read(after: .zero, moment)
            }
            if isStill(owed, on: reading.ticket), !state.isClosed { return putBack(owed, from: reading, moment) }
            if mayBeHidden(owed, reading.ticket, moment), !state.isClosed {
                return fail(ZendeskError(.misconfigured, "our last update is not shown: was a field deactivated?"))
            }
            notes.owed = nil
        }
        if let tried = unanswered, isWhole(tried, on: reading.ticket) { return done(results(tried.plan, moment)) }
        let plan = BatchPlan(
            state,
            changes,
            excluded: excluded,
            keepsVersions: settings.bookingVersionField != nil,
            rule: rule
        )
        self.plan = plan
        if let version = doubtful(state, plan) {
            step = .readingAudits(version, reading.ticket)
            return .readAudits
        }
        guard let write = plan.write else { return done(results(plan, moment)) }
        if settings.dryRun { return done(dryRun(plan)) }
        let age = age(ofStampOf: reading, moment)
        guard age == .old else { return waitForStamp(age, of: reading, moment) }
        guard write.writesTag, let tag = write.tag else { return self.write(write, to: reading) }
        step = .asking(write, reading)
        return .askOption(tag: tag)
    }

    /// Whether the ticket shows all of an unanswered write.
    private func isWhole(_ tried: Attempt, on ticket: Ticket) -> Bool {
        guard ticket.text(of: settings.bookingStatusField) == tried.write.tag else { return false }
        return settings.bookingVersionField == nil ? tried.write.writesTag : isThere(tried.write.version, on: ticket)
    }

    /// Whether the ticket still shows the write that replaced a person's status.
    private func isStill(_ owed: TakeBack, on ticket: Ticket) -> Bool {
        isThere(owed.written, on: ticket) && ticket.text(of: settings.bookingStatusField) == owed.written.tag
    }

    /// Whether a field may have been hidden since the last check, because the ticket is as we left it
    /// and shows nothing there. A hidden field must not make us forget what we owe.
    private mutating func mayBeHidden(_ owed: TakeBack, _ ticket: Ticket, _ moment: Moment) -> Bool {
        let fields = [settings.bookingVersionField, settings.bookingStatusField].compactMap(\.self)
        guard ticket.updatedStamp == owed.stamp, fields.contains(where: { ticket.text(of: $0) == nil }) else { return false }
        let since = owed.missingSince ?? moment.now
        notes.owed?.missingSince = since
        return moment.now - since <= Self.fieldsAge
    }

    private func isThere(_ version: KeptVersion, on ticket: Ticket) -> Bool {
        settings.bookingVersionField.flatMap { ticket.text(of: $0) } == version.text
    }

    /// Our version, if the ticket does not show its tag and the plan attributes that to a person.
    /// Zendesk may have dropped the tag instead.
    private func doubtful(_ state: TicketState, _ plan: BatchPlan) -> KeptVersion? {
        guard let kept = state.kept, kept.tag != nil, kept.tag != state.tag, kept.text != notes.verified else { return nil }
        let isTakenForDone = zip(changes, plan.outcomes).contains { change, outcome in
            switch outcome {
            case .stale, .tagNotAccepted: kept.version.order(to: change.version) == .same
            case .unexpectedStatus: true
            default: false
            }
        }
        return isTakenForDone ? kept : nil
    }

    private enum StampAge: Equatable {
        case old
        case young
        /// Ahead of every clock by this many seconds. Until then an edit does not change the stamp,
        /// and a safe update does not notice it.
        case ahead(Double)
    }

    /// The age of the reading's stamp. The clocks of two machines may differ, and an answer may
    /// have no date. So the stamp has to be old by both clocks, or has to have stayed the same for
    /// that long.
    private func age(ofStampOf reading: TicketReading, _ moment: Moment) -> StampAge {
        guard let stamp = RFC3339(reading.ticket.updatedStamp).map({ Double($0.seconds) }) else { return .young }
        let clocks = [moment.secondsSince1970] + (reading.readAt.map { [Double($0)] } ?? [])
        if stamp > clocks.max()! { return .ahead(stamp - clocks.max()!) }
        if clocks.count == 2, clocks.min()! >= stamp + Double(Self.stampAge) { return .old }
        guard let seenStamp, seenStamp.stamp == reading.ticket.updatedStamp else { return .young }
        return moment.now - seenStamp.at >= .seconds(Self.stampAge) ? .old : .young
    }

    private mutating func waitForStamp(_ age: StampAge, of reading: TicketReading, _ moment: Moment) -> Action {
        stampWaits += 1
        if case .ahead(let seconds) = age, seconds > Self.maximumPause / .seconds(1) {
            let wait = min(Duration.seconds(Int(seconds) + 1), .seconds(600))
            return fail(ZendeskError(.unavailable, retryAfter: wait, "the ticket's updated_at lies \(Int(seconds)) s ahead of the clock"))
        }
        guard stampWaits <= Self.maximumStampWaits else {
            return fail(ZendeskError(.conflict, "the ticket changes every other second"))
        }
        guard age == .young else { return read(after: .seconds(Self.stampAge), moment) }
        let unseen = .seconds(Self.stampAge) - (seenStamp.map { moment.now - $0.at } ?? .zero)
        // By our clock the stamp may be old sooner. If Zendesk's clock is behind, it is read once more.
        let young = (RFC3339(reading.ticket.updatedStamp)?.seconds).map { Double($0 + Self.stampAge) - moment.secondsSince1970 } ?? 0
        return read(after: stampWaits == 1 && young > 0 ? min(unseen, .seconds(young) + .milliseconds(50)) : unseen, moment)
    }

    // MARK: A write

    private mutating func write(_ write: BatchPlan.Write, to reading: TicketReading) -> Action {
        guard let plan else { preconditionFailure("nothing was planned") }
        var fields: [Int: String?] = [:]
        if write.writesTag { fields.updateValue(write.tag, forKey: settings.bookingStatusField) }
        if let field = settings.bookingVersionField { fields[field] = write.version.text }
        let status = write.writesTag ? write.tag ?? KeptVersion.noTag : nil
        step = .writing(Attempt(plan: plan, write: write, former: reading.ticket))
        // A second write goes alone, because its answer says what went wrong. So does a version
        // whose tag is not to be shown: in a job it looks as if the tag had been dropped.
        let mayShare = !hasWritten && write.tag == write.version.tag
        hasWritten = true
        let update = TicketUpdate(
            customFields: fields,
            updatedStamp: reading.ticket.updatedStamp,
            metadata: changes[write.change].metadata(status: status)
        )
        return .write(update, mayShare: mayShare)
    }

    private mutating func check(_ answer: TicketUpdateAnswer, _ attempt: Attempt, _ moment: Moment) -> Action {
        let write = attempt.write
        let formerVersion = settings.bookingVersionField.flatMap { attempt.former.text(of: $0) }
        guard answer.ticket.text(of: settings.bookingStatusField) == write.tag else {
            // Zendesk dropped the tag. Or, if none was sent, a person set another one within the
            // second.
            if write.writesTag { excluded[write.change] = .tagNotAccepted } else { tries += 1 }
            guard let field = settings.bookingVersionField else { return read(after: .zero, moment) }
            return takeBack(write.version, from: answer.ticket, [field: formerVersion])
        }
        if write.writesTag, let replaced = answer.replaced(settings.bookingStatusField, by: write.version),
            replaced != attempt.former.text(of: settings.bookingStatusField), settings.bookingVersionField != nil
        {
            // Somebody else wrote less than a second earlier, which the stamp could not show.
            tries += 1
            notes.owed = TakeBack(
                written: write.version,
                stamp: answer.ticket.updatedStamp,
                formerVersion: formerVersion,
                status: replaced
            )
            return read(after: .seconds(Self.stampAge), moment)
        }
        if let field = settings.bookingVersionField, answer.ticket.text(of: field) != write.version.text {
            let isAltered = answer.ticket.text(of: field) != nil
            return fail(
                ZendeskError(
                    .misconfigured,
                    isAltered
                        ? "the version field shows another text than was written: does a redaction or a trigger alter it?"
                        : "the version field keeps no value: was it deleted or deactivated?"
                )
            )
        }
        return done(results(attempt.plan, moment))
    }

    private mutating func handle(_ error: ZendeskError, _ attempt: Attempt, _ moment: Moment) -> Action {
        switch error.kind {
        case .conflict: unanswered = nil
        case .outcomeUnknown, .unavailable, .cancelled: unanswered = attempt
        case .rejected:
            rejection = error
            return read(after: .zero, moment)
        case .notFound: return next(.gone, at: moment)
        case .limited, .tooManyJobs, .searchIsBlind, .timeIsUp, .misconfigured: break
        }
        tries += 1
        guard tries < Self.maximumTries, let pause = pause(after: error, tries, moment) else { return fail(error) }
        return read(after: pause, moment, insteadOf: error)
    }

    // MARK: Taking back

    /// Puts back a person's status that our tag replaced, and takes back our version.
    private mutating func putBack(_ owed: TakeBack, from reading: TicketReading, _ moment: Moment) -> Action {
        guard let field = settings.bookingVersionField else { preconditionFailure("without a version field nothing is owed") }
        let age = age(ofStampOf: reading, moment)
        guard age == .old else { return waitForStamp(age, of: reading, moment) }
        return takeBack(owed.written, from: reading.ticket, [field: owed.formerVersion, settings.bookingStatusField: owed.status])
    }

    /// Takes back a version that we wrote. It would make the redelivery look stale and lose the
    /// change.
    ///
    /// - Parameter fields: the fields' former values.
    private mutating func takeBack(_ version: KeptVersion, from ticket: Ticket, _ fields: [Int: String?]) -> Action {
        var metadata = changes[0].metadata(status: nil)
        metadata["version"] = nil
        metadata["takes_back"] = version.text
        step = .takingBack
        return .takeBack(TicketUpdate(customFields: fields, updatedStamp: ticket.updatedStamp, metadata: metadata))
    }

    private mutating func handleTakeBack(_ error: ZendeskError, _ moment: Moment) -> Action {
        if error.kind == .notFound { return next(.gone, at: moment) }
        if error.kind == .rejected {
            rejection = error
            return read(after: .zero, moment)
        }
        takeBacks += 1
        guard takeBacks < Self.maximumTries, let pause = pause(after: error, takeBacks, moment) else { return fail(error) }
        return read(after: pause, moment, insteadOf: error)
    }

    /// Checks in Zendesk's history whether the version's tag was ever shown. If our update set it,
    /// a person has replaced it since.
    private mutating func judge(
        _ version: KeptVersion,
        on ticket: Ticket,
        by audits: [TicketAudit],
        _ moment: Moment
    ) -> Action {
        guard let field = settings.bookingVersionField else { preconditionFailure("without a version field there are no versions") }
        let own = audits.lastIndex { $0.wrote(version, to: field) }
        if wasDropped(version, by: own.map { audits[$0] }, before: audits[(own.map { $0 + 1 } ?? 0)...], ticket) {
            guard !settings.dryRun else { return done(changes.map { _ in wouldTakeBack }) }
            return takeBack(version, from: ticket, [field: own.flatMap { audits[$0].replaced[field] ?? nil }])
        }
        notes.verified = version.text
        if let tried = unanswered, tried.write.version == version { return done(results(tried.plan, moment)) }
        return read(after: .zero, moment)
    }

    /// Whether the ticket has never shown the tag of our version, although it should have.
    ///
    /// - Parameter own: the update that wrote the version; nil if none did. Then the ticket is a
    ///   follow-up with the fields of another ticket. A missing status was missing there too. A
    ///   different one may be a person's.
    private func wasDropped(
        _ version: KeptVersion,
        by own: TicketAudit?,
        before later: ArraySlice<TicketAudit>,
        _ ticket: Ticket
    ) -> Bool {
        let field = settings.bookingStatusField
        let former = later.lazy.compactMap { $0.replaced[field] }.first
        guard let own else { return former == nil && ticket.text(of: field) == nil }
        guard own.replaced[field] == nil else { return false }
        guard own.metadata["version"] == nil else { return own.metadata["status"] != nil }
        // Without metadata, the value that the next status change replaced is the one that was
        // shown.
        return (former ?? ticket.text(of: field)) != version.tag
    }

    // MARK: Ends and pauses

    private mutating func read(after pause: Duration, _ moment: Moment, insteadOf error: ZendeskError? = nil) -> Action {
        let pause = max(pause, .zero)
        guard pause < moment.remaining else {
            return fail(error ?? ZendeskError(.timeIsUp, "no time is left to read the ticket again"))
        }
        step = .reading
        return .read(after: pause)
    }

    /// Pause before the ticket is read again; nil if reading again is pointless or the pause is too
    /// long.
    private func pause(after error: ZendeskError, _ tries: Int, _ moment: Moment) -> Duration? {
        let jitter = Duration.milliseconds(50 + Int(moment.random * 200)) * tries
        let pause: Duration?
        switch error.kind {
        case .conflict, .outcomeUnknown: pause = jitter
        case .limited(.ticket): pause = error.retryAfter
        // The budgets are already blocked for as long as Zendesk asked.
        case .limited: pause = error.status == nil ? nil : jitter
        case .unavailable: pause = error.retryAfter ?? jitter * 4
        case .notFound, .tooManyJobs, .searchIsBlind, .timeIsUp, .misconfigured, .rejected, .cancelled: pause = nil
        }
        return pause.flatMap { $0 <= Self.maximumPause ? $0 : nil }
    }

    private func done(_ results: [TicketResult]) -> Action { .done(results, notes) }

    /// Ends with the error for the write and for every change that depends on it.
    private func fail(_ error: ZendeskError) -> Action {
        let failed = TicketResult(error, ticket: ticket)
        guard let plan else { return done(changes.map { _ in failed }) }
        return done(
            plan.outcomes.indices.map { index in
                plan.depends(onWrite: index) || plan.write == nil ? failed : TicketResult(ticket: ticket, outcome: plan.outcomes[index])
            }
        )
    }

    private func results(_ plan: BatchPlan, _ moment: Moment) -> [TicketResult] {
        plan.outcomes.enumerated().map { index, outcome in
            let isWritten = index == plan.write?.change && [.added, .updated, .cleared].contains(outcome)
            let reason = outcome == .tagNotAccepted ? "the status field has no option with this tag" : nil
            return TicketResult(ticket: ticket, outcome: outcome, reason: reason, writtenAt: isWritten ? moment.secondsSince1970 : nil)
        }
    }

    private var wouldTakeBack: TicketResult {
        TicketResult(ticket: ticket, outcome: .dryRun, reason: "would take back a version whose status is not shown")
    }

    private func dryRun(_ plan: BatchPlan) -> [TicketResult] {
        plan.outcomes.enumerated().map { index, outcome in
            guard plan.depends(onWrite: index) else { return TicketResult(ticket: ticket, outcome: outcome) }
            return TicketResult(ticket: ticket, outcome: .dryRun, reason: "would be \(outcome.rawValue)")
        }
    }
}

extension TicketAudit {
    /// Whether this is our write of the version. Putting one back does not count. Zendesk does not
    /// document whether a job keeps metadata.
    fileprivate func wrote(_ version: KeptVersion, to field: Int) -> Bool {
        let text = metadata["version"] ?? (metadata["takes_back"] == nil ? set[field] ?? nil : nil)
        return text.flatMap { KeptVersion(text: $0) } == version
    }
}

extension TicketUpdateAnswer {
    /// The value that the update replaced in a field; nil if the answer does not tell. For an
    /// update that changed nothing, Zendesk returns the audit of an older one.
    fileprivate func replaced(_ field: Int, by version: KeptVersion) -> String?? {
        audit?.metadata["version"] == version.text ? audit?.replaced[field] : nil
    }
}
