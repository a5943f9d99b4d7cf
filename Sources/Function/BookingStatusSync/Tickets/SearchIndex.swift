package import Support
import Synchronization
package import Zendesk

/// Checks that Zendesk's search index shows the tickets that exist.
///
/// A search also finds nothing while the index is down or lags, or after the token's owner has lost
/// access to a brand or a group. A booking therefore counts as one without
/// tickets only if the same search, or one that began later, found a ticket that is known to be in
/// the index.
///
/// Sources: Zendesk's incident of 14 October 2015 and help article 8539127480218 (answers without
/// hits); Zendesk API reference, "List Tickets".
package final class SearchIndex: Sendable {
    let zendesk: ZendeskClient
    let field: Int
    private let time: TimeSource
    private let pool: Mutex<WitnessPool>
    private let candidates = AsyncSemaphore()
    private let list = Mutex<ListVerdict?>(nil)
    /// Set while the index counts as blind: the error, and when to check again.
    private let blindness = Mutex<(error: ZendeskError, until: Duration)?>(nil)

    /// The verdict of the list of tickets, used while no search finds any.
    private struct ListVerdict {
        var error: ZendeskError?
        var until: Duration
    }

    /// How long a list's verdict holds, and how long the index may take to show an update.
    private static let lag = Duration.seconds(600)
    /// How long an undecided verdict holds.
    private static let undecided = Duration.seconds(60)
    private static let maximumPages = 10
    private static let maximumRounds = 4
    /// How long the index counts as blind before it is looked at again.
    private static let blindFor = Duration.seconds(30)

    init(_ zendesk: ZendeskClient, field: Int, maximum: Int, time: TimeSource) {
        self.zendesk = zendesk
        self.field = field
        self.time = time
        pool = Mutex(WitnessPool(maximum: maximum))
    }

    func withPool<Result>(_ body: (inout WitnessPool, Duration) -> Result) -> Result {
        let now = time.now()
        return pool.withLock { pool in
            pool.expire(now)
            return body(&pool, now)
        }
    }

    // MARK: Searches

    /// The first page of a search. Its hits are witnesses from now on.
    func hits(
        _ search: TicketSearch,
        isNewestFirst: Bool = false,
        repeats: Int = ZendeskClient.maximumRepeats,
        _ options: CallOptions
    ) async throws(ZendeskError) -> SearchPage {
        let number = begin()
        let page = try await zendesk.hits(search, showing: field, isNewestFirst: isNewestFirst, repeats: repeats, options)
        withPool { pool, _ in pool.learn(page.hits, of: number) }
        return page
    }

    /// All hits of a search. They are witnesses from now on.
    func allHits(_ search: TicketSearch, _ options: CallOptions) async throws(ZendeskError) -> [SearchHit] {
        let number = begin()
        let hits = try await zendesk.allHits(search, showing: field, options)
        withPool { pool, _ in pool.learn(hits, of: number) }
        return hits
    }

    /// The witnesses that a search has not found.
    func missing(_ witnesses: [Witness], in page: SearchPage) -> [Witness] {
        witnesses.filter { witness in !page.hits.contains { witness.isFound(in: $0) } }
    }

    /// The witnesses for a search; nil if no known tickets could prove it.
    func witnesses(for bookings: [String], without spoilers: [Witness], _ options: CallOptions) async throws(ZendeskError) -> [Witness]? {
        if let known = withPool({ $0.witnesses(for: bookings, without: spoilers, $1) }) { return known }
        // Search once for all callers.
        guard await candidates.enter(before: options.deadline) else {
            throw ZendeskError(.timeIsUp, "no witnesses for a search were found in time")
        }
        defer { candidates.leave() }
        if let known = withPool({ $0.witnesses(for: bookings, without: spoilers, $1) }) { return known }
        guard withPool({ $0.wantsCandidates($1) }) else { return nil }
        _ = try await findCandidates(options)
        return withPool { $0.witnesses(for: bookings, without: spoilers, $1) }
    }

    /// Searches for tickets that name any booking.
    ///
    /// - Returns: whether there are any.
    private func findCandidates(_ options: CallOptions) async throws(ZendeskError) -> Bool {
        do throws(ZendeskError) {
            let page = try await hits(TicketSearch(withValueIn: field), isNewestFirst: true, options)
            withPool { $0.looked($1) }
            return page.hits.contains { Witness($0) != nil }
        } catch {
            withPool { $0.looked($1) }
            // Without witnesses each booking gets its own search.
            guard error.kind == .rejected else { throw error }
            return false
        }
    }

    // MARK: Proof

    /// The number of a search that begins now.
    func begin() -> Int { withPool { pool, _ in pool.begin() } }

    /// Whether an empty search result proves that the booking has no tickets.
    func isComplete(since search: Int) -> Bool { withPool { $0.isComplete(since: search, $1) } }

    /// Looks for a ticket of each known brand in the index.
    ///
    /// - Throws: ``ZendeskError``; of kind `searchIsBlind` if the index lacks one.
    func prove(_ options: CallOptions) async throws(ZendeskError) {
        try expectSight()
        for round in 0..<Self.maximumRounds {
            // The witnesses may have been closed long ago.
            if round == 1 { _ = try await findCandidates(options) }
            let controls = withPool { $0.controls($1) }
            guard !controls.isEmpty else {
                if try await findCandidates(options) { return }
                return try await proveByList(options)
            }
            let missing = try await missing(controls, options)
            guard !missing.isEmpty else { return }
            for witness in missing where try await lookAt(witness, options) {
                // It was not shown a moment ago, when other tickets may have been missing as well.
                throw ZendeskError(
                    .unavailable,
                    retryAfter: .seconds(10),
                    "Zendesk's search did not show ticket \(witness.ticket) at first"
                )
            }
        }
        throw ZendeskError(.unavailable, retryAfter: .seconds(10), "the search index changes too fast to be checked")
    }

    /// - Throws: ``ZendeskError`` of kind `searchIsBlind` if the index was blind a moment ago.
    private func expectSight() throws(ZendeskError) {
        let now = time.now()
        if let known = blindness.withLock(\.self), now < known.until { throw known.error }
    }

    private func missing(_ controls: [Witness], _ options: CallOptions) async throws(ZendeskError) -> [Witness] {
        var left = controls
        let isShared = controls.count > 1 && withPool { $0.limit($1) } > 1
        if isShared, let search = TicketSearch(customField: field, anyOf: controls.map(\.bookingID)) {
            do throws(ZendeskError) {
                left = missing(controls, in: try await hits(search, options))
            } catch  where error.kind != .rejected && !error.mayConcernOneItem {
                throw error
            } catch {
                // The query may be too long, or one of the tickets spoils it.
            }
            guard !left.isEmpty else {
                withPool { pool, _ in pool.trustTerms() }
                return []
            }
        }
        var missing: [Witness] = []
        for witness in left {
            if try await !isShown(witness, options) { missing.append(witness) }
        }
        // A ticket has to match all terms, or only some of them count.
        if isShared, missing.isEmpty { withPool { $0.distrust(2, $1) } }
        return missing
    }

    private func isShown(_ witness: Witness, _ options: CallOptions) async throws(ZendeskError) -> Bool {
        let page = try await hits(TicketSearch(customField: field, text: witness.bookingID)!, options)
        if missing([witness], in: page).isEmpty { return true }
        // If more tickets have its ID than fit on a page, nobody can tell whether it is shown.
        if !page.isWhole { withPool { pool, _ in pool.forget(witness) } }
        return !page.isWhole
    }

    /// Reads a witness that a search did not find, and forgets it if it no longer is one.
    ///
    /// - Returns: whether it still is one, and a search for it alone shows it.
    /// - Throws: ``ZendeskError``; of kind `searchIsBlind` if the index should show it, or if
    ///   another witness of its brand or group cannot be read either.
    @discardableResult func lookAt(_ witness: Witness, _ options: CallOptions) async throws(ZendeskError) -> Bool {
        try expectSight()
        switch try await read(witness, options) {
        case .isWitness:
            // The search may have required each ticket to match all terms.
            guard try await !isShown(witness, options) else { return true }
            throw blind(witness, "does not show ticket \(witness.ticket), which is not closed and names a booking")
        case .isNone:
            try await expectField(options)
            withPool { pool, _ in pool.forget(witness) }
            return false
        case .isUnreadable(let status):
            for other in withPool({ pool, _ in pool.companions(of: witness) }) {
                guard case .isUnreadable(let otherStatus) = try await read(other, options) else { continue }
                // It is not documented whether an inaccessible ticket is 403 or 404. Two with 404
                // may have been deleted.
                let mayBeDeleted = status == 404 && otherStatus == 404
                withPool { $0.lose([witness, other], until: mayBeDeleted ? $1 + Self.lag : nil) }
                throw blind(witness, "shows no ticket like \(witness.ticket) and \(other.ticket), which cannot be read either (\(status))")
            }
            withPool { pool, _ in pool.forget(witness) }
            return false
        }
    }

    /// Checks with a fresh reading that the field exists. While it is hidden, no ticket seems to
    /// name a booking.
    private func expectField(_ options: CallOptions) async throws(ZendeskError) {
        zendesk.forgetOptions(of: field, olderThan: .seconds(1))
        _ = try await zendesk.field(field, accepts: nil, options)
    }

    private enum Look { case isWitness, isNone, isUnreadable(status: Int) }

    private func read(_ witness: Witness, _ options: CallOptions) async throws(ZendeskError) -> Look {
        do throws(ZendeskError) {
            let ticket = try await zendesk.ticket(witness.ticket, options).ticket
            return !ticket.isClosed && ticket.text(of: field) == witness.bookingID ? .isWitness : .isNone
        } catch {
            guard error.kind == .notFound || (error.kind == .misconfigured && error.status == 403) else { throw error }
            return .isUnreadable(status: error.status ?? 404)
        }
    }

    private func blind(_ witness: Witness, _ what: String) -> ZendeskError {
        let place = [witness.brand.map { "brand \($0)" }, witness.group.map { "group \($0)" }].compactMap(\.self)
        let error = ZendeskError(
            .searchIsBlind,
            retryAfter: Self.blindFor,
            "Zendesk's search \(what): look whether the token's owner may see "
                + (place.isEmpty ? "all brands and groups" : place.joined(separator: " and ")) + ", and at Zendesk's status page"
        )
        let until = time.now() + Self.blindFor
        blindness.withLock { $0 = (error, until) }
        return error
    }

    // MARK: The list of tickets

    /// Checks an empty search against the list of tickets, which comes from the database.
    private func proveByList(_ options: CallOptions) async throws(ZendeskError) {
        let now = time.now()
        let verdict: ListVerdict
        if let known = list.withLock(\.self), now < known.until {
            verdict = known
        } else {
            verdict = try await askList(options)
            list.withLock { $0 = verdict }
        }
        if let error = verdict.error { throw error }
        withPool { pool, _ in pool.isBare(until: verdict.until) }
    }

    /// Compares an account's index with its list of tickets, for a caller that knows no witness.
    ///
    /// - Returns: the reason if the comparison is inconclusive; otherwise nil.
    /// - Throws: ``ZendeskError``; of kind `searchIsBlind` if the index lacks a ticket.
    @discardableResult package static func compareWithList(
        _ zendesk: ZendeskClient,
        field: Int,
        time: TimeSource,
        _ options: CallOptions
    ) async throws(ZendeskError) -> ZendeskError? {
        let index = SearchIndex(zendesk, field: field, maximum: 1, time: time)
        let error = try await index.askList(options).error
        if let error, error.kind == .searchIsBlind { throw error }
        return error
    }

    /// Looks in the list for a ticket that the index has to show: one that is not closed, names a
    /// booking and has not been updated lately.
    private func askList(_ options: CallOptions) async throws(ZendeskError) -> ListVerdict {
        var cursor: String?
        var young: Witness?
        var hasOld = false
        for _ in 0..<Self.maximumPages {
            let page = try await zendesk.ticketsByUpdate(after: cursor, options)
            let open: [TicketReading]
            do throws(ZendeskError) {
                open = try await whole(page, options).filter { !$0.ticket.isClosed }
            } catch {
                guard error.mayConcernOneItem else { throw error }
                return undecided("finds no ticket that names a booking, and tickets of the list cannot be read: \(error)")
            }
            let (old, recent) = (open.filter(isOld), open.filter { !isOld($0) })
            if let witness = old.lazy.compactMap({ Witness($0, self.field) }).first {
                if try await isShown(witness, options) { return ListVerdict(until: time.now()) }
                let error = blind(witness, "finds no ticket that names a booking, not even \(witness.ticket)")
                return ListVerdict(error: error, until: time.now() + Self.lag)
            }
            hasOld = hasOld || !old.isEmpty
            young = young ?? recent.lazy.compactMap { Witness($0, self.field) }.first
            cursor = page.next
            if cursor == nil { break }
        }
        if let young {
            if try await isShown(young, options) { return ListVerdict(until: time.now()) }
            return undecided("does not show ticket \(young.ticket) yet, which names a booking, and no older one does")
        }
        try await expectField(options)
        guard cursor == nil || hasOld else { return undecided("finds no ticket that names a booking, and too many were updated lately") }
        return ListVerdict(until: time.now() + Self.lag)
    }

    /// The tickets of a page, with custom fields. The list may show tickets without them.
    private func whole(_ page: TicketPage, _ options: CallOptions) async throws(ZendeskError) -> [TicketReading] {
        guard !page.withoutFields.isEmpty else { return page.readings }
        let bare = await TicketPages(zendesk, time).read(page.withoutFields.sorted(), options)
        var whole = page.readings.filter { !page.withoutFields.contains($0.ticket.id) }
        for reading in bare { if let reading = try reading.get() { whole.append(reading) } }
        return whole
    }

    private func undecided(_ what: String) -> ListVerdict {
        let error = ZendeskError(.unavailable, retryAfter: .seconds(30), "Zendesk's search \(what)")
        return ListVerdict(error: error, until: time.now() + Self.undecided)
    }

    /// Whether the index has had the time to show the ticket.
    private func isOld(_ reading: TicketReading) -> Bool {
        guard let stamp = RFC3339(reading.ticket.updatedStamp)?.seconds else { return false }
        let now = reading.readAt ?? Int64(time.secondsSince1970())
        return now - stamp > Int64(Self.lag / .seconds(1))
    }
}
