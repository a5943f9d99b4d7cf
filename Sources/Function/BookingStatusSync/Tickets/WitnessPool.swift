import Zendesk

/// An instance's knowledge of the search index: the witnesses, the limit of bookings per search,
/// and which empty answers count. A pure state machine.
struct WitnessPool: Sendable {
    /// Maximum bookings in one search, excluding the witnesses.
    let maximum: Int
    /// Most recently seen last.
    private var witnesses: [Witness] = []
    /// Two of one brand or group that could not be read. Until they are found again, or have
    /// turned out to be deleted, no empty answer counts.
    private var lost: [Witness] = []
    private var lostUntil: Duration?
    /// The searches that have begun.
    private var searches = 0
    /// The number of the last search that showed a ticket of a brand.
    private var shownBy: [Int?: Int] = [:]
    /// How long the list's verdict holds that no ticket names a booking.
    private var bareUntil: Duration?
    /// Witnesses suspected of making a search fail as a whole, and until when searches omit them.
    private var spoilers: [Int: Duration] = [:]
    private var lookedAt: Duration?
    private var halved: (limit: Int, until: Duration)?
    /// Whether a ticket that matches one of several terms is found.
    private(set) var areTermsAlternatives = false

    private static let capacity = 50
    /// Maximum witnesses in a search for bookings.
    private static let maximumBrands = 5
    /// How long searches stay small after an incomplete one.
    static let caution = Duration.seconds(600)
    /// Minimum time between two searches for candidates.
    private static let patience = Duration.seconds(60)

    init(maximum: Int) { self.maximum = maximum }

    // MARK: How many bookings

    /// The current limit of bookings per search.
    func limit(_ now: Duration) -> Int {
        // Without two witnesses searches cannot be shared, and there is no point in looking for
        // witnesses repeatedly.
        if witnesses.count < 2, let lookedAt, now - lookedAt < Self.patience { return 1 }
        guard let halved, now < halved.until else { return maximum }
        return min(maximum, halved.limit)
    }

    /// Records that a search for this many bookings was incomplete twice.
    mutating func distrust(_ count: Int, _ now: Duration) {
        areTermsAlternatives = false
        halved = (min(max(1, count / 2), limit(now)), now + Self.caution)
    }

    /// Records that a search with two witnesses found both.
    mutating func trustTerms() { areTermsAlternatives = maximum > 1 }

    // MARK: Witnesses

    /// Whether to search for candidates.
    func wantsCandidates(_ now: Duration) -> Bool {
        witnesses.count < 4 && lookedAt.map { now - $0 >= Self.patience } ?? true
    }

    /// Records that candidates were searched for.
    mutating func looked(_ now: Duration) { lookedAt = now }

    /// The witnesses for a search: one of each brand, and at least two for several bookings. Nil if
    /// there are not enough whose IDs cannot be confused with its bookings' or with each other.
    func witnesses(for bookings: [String], without others: [Witness], _ now: Duration) -> [Witness]? {
        var chosen: [Witness] = []
        let apart = witnesses.reversed().filter { witness in
            !others.contains(witness) && !isSpoiler(witness, now) && !bookings.contains(witness.bookingID)
                && bookings.allSatisfy { Witness.isApart(witness.bookingID, $0) }
        }
        func add(where isWanted: (Witness) -> Bool, upTo count: Int) {
            for witness in apart where chosen.count < count && isWanted(witness) {
                if chosen.allSatisfy({ Witness.isApart($0.bookingID, witness.bookingID) }) { chosen.append(witness) }
            }
        }
        add(where: { witness in !chosen.contains { $0.brand == witness.brand } }, upTo: Self.maximumBrands)
        let least = bookings.count > 1 ? 2 : 1
        add(where: { !chosen.contains($0) }, upTo: least)
        return chosen.count < least ? nil : chosen
    }

    /// The witnesses that show whether the index is complete: the lost ones, and one of each brand.
    /// If searches may be shared, at least two, since that also shows whether terms are
    /// alternatives.
    func controls(_ now: Duration) -> [Witness] {
        var controls = lost
        let areShared = limit(now) > 1
        func add(where isWanted: (Witness) -> Bool) {
            for witness in witnesses.reversed() where isWanted(witness) && !isSpoiler(witness, now) {
                if areShared {
                    guard controls.count < maximum else { return }
                    guard controls.allSatisfy({ Witness.isApart($0.bookingID, witness.bookingID) }) else { continue }
                }
                controls.append(witness)
            }
        }
        add { witness in !controls.contains { $0.brand == witness.brand } }
        if areShared { add { _ in controls.count < 2 } }
        return controls
    }

    /// Another witness of the same brand, and another of the same group.
    func companions(of witness: Witness) -> [Witness] {
        let others = (lost + witnesses.reversed()).filter { $0.ticket != witness.ticket }
        let ofGroup = witness.group.flatMap { group in others.first { $0.group == group } }
        return Array(Set([others.first { $0.brand == witness.brand }, ofGroup].compactMap(\.self))).sorted { $0.ticket < $1.ticket }
    }

    /// Leaves these out of searches for a while.
    mutating func avoid(_ witnesses: [Witness], _ now: Duration) {
        spoilers = spoilers.filter { $0.value > now }
        for witness in witnesses { spoilers[witness.ticket] = now + Self.caution }
    }

    private func isSpoiler(_ witness: Witness, _ now: Duration) -> Bool { spoilers[witness.ticket].map { $0 > now } ?? false }

    /// Records the hits of a search: its brands are shown, and its tickets are witnesses for the
    /// next one.
    ///
    /// - Parameter search: the search's number.
    mutating func learn(_ hits: [SearchHit], of search: Int) {
        let all = hits.compactMap { Witness($0) }
        for witness in all { shownBy[witness.brand] = max(shownBy[witness.brand] ?? 0, search) }
        let seen = all.suffix(2 * Self.capacity)
        lost.removeAll { old in seen.contains { $0.ticket == old.ticket } }
        witnesses.removeAll { old in seen.contains { $0.ticket == old.ticket } }
        witnesses += seen
        while witnesses.count > Self.capacity {
            // Two of each brand stay.
            let counts = witnesses.reduce(into: [Int?: Int]()) { $0[$1.brand, default: 0] += 1 }
            witnesses.remove(at: witnesses.firstIndex { counts[$0.brand]! > 2 } ?? 0)
        }
        if !seen.isEmpty { bareUntil = nil }
    }

    mutating func forget(_ witness: Witness) {
        witnesses.removeAll { $0.ticket == witness.ticket }
        lost.removeAll { $0.ticket == witness.ticket }
    }

    // MARK: Empty answers

    /// The number of a search that begins now.
    mutating func begin() -> Int {
        searches += 1
        return searches
    }

    /// Whether an empty search result proves that the booking has no tickets: this search, or a later
    /// one, has shown a ticket of each brand.
    func isComplete(since search: Int, _ now: Duration) -> Bool {
        if let bareUntil, now < bareUntil, witnesses.isEmpty { return true }
        guard lost.isEmpty, !witnesses.isEmpty else { return false }
        return witnesses.allSatisfy { shownBy[$0.brand] ?? 0 >= search }
    }

    /// Records two witnesses that cannot be read.
    ///
    /// - Parameter until: when they count as deleted; nil if never.
    mutating func lose(_ pair: [Witness], until: Duration?) {
        guard lost.isEmpty else { return }
        (lost, lostUntil) = (pair, until)
    }

    /// Forgets lost witnesses that count as deleted.
    mutating func expire(_ now: Duration) {
        guard let lostUntil, now >= lostUntil else { return }
        for witness in lost { forget(witness) }
        self.lostUntil = nil
    }

    /// Records that no ticket names a booking.
    mutating func isBare(until: Duration) { bareUntil = until }
}
