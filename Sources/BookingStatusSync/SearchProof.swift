package import Zendesk

/// A booking whose open ticket a search has found before: whether a search for several bookings
/// looked for it, too, proves that it looked for the others.
package struct Witness: Hashable, Sendable {
    package var ticket: Int
    package var bookingID: String

    package init(ticket: Int, bookingID: String) {
        self.ticket = ticket
        self.bookingID = bookingID
    }
}

/// Whether a search for several bookings can be believed. Tests inject their own.
///
/// Zendesk documents nowhere what several terms of one field mean, nor how many of them count. So
/// the first and the last term are witnesses: if every ticket had to meet all terms, or only the
/// first or the last one counted, or those up to some number, one of the two would be missing.
package struct SearchProof: Sendable {
    /// Whether no hit of the other term can be taken for one of the witness.
    package var isApart: @Sendable (_ witness: String, _ other: String) -> Bool
    /// Whether a hit is the witness's, by its own term.
    package var isFound: @Sendable (_ witness: Witness, _ hit: SearchHit) -> Bool
    /// Whether a search that found the first and the last term's witness, or not, was whole.
    package var isWhole: @Sendable (_ first: Bool, _ last: Bool) -> Bool

    package init(
        isApart: @escaping @Sendable (_ witness: String, _ other: String) -> Bool = SearchProof.isApart,
        isFound: @escaping @Sendable (_ witness: Witness, _ hit: SearchHit) -> Bool = SearchProof.isFound,
        isWhole: @escaping @Sendable (_ first: Bool, _ last: Bool) -> Bool = { $0 && $1 }
    ) {
        self.isApart = isApart
        self.isFound = isFound
        self.isWhole = isWhole
    }

    /// Search ignores case, cuts at everything that is no letter or digit, and takes a word for the
    /// beginning of a longer one.
    package static func isApart(_ witness: String, _ other: String) -> Bool {
        let (witness, other) = (core(witness), core(other))
        return !witness.contains(other) && !other.contains(witness)
    }

    /// The ticket alone does not do: it may name another booking by now, and be a hit for that
    /// one's sake.
    package static func isFound(_ witness: Witness, _ hit: SearchHit) -> Bool {
        hit.ticket == witness.ticket && hit.text == witness.bookingID
    }

    /// The letters and digits of an ID, in lower case. What they are contained in, a search for
    /// them may find.
    static func core(_ text: String) -> String { text.lowercased().filter { $0.isLetter || $0.isNumber } }
}

/// The witnesses that an instance knows, and how many bookings it asks for at once: a pure state
/// machine.
struct WitnessPool: Sendable {
    /// Bookings in one search at most, besides the two witnesses.
    let maximum: Int
    /// The one that was seen last comes last.
    private var witnesses: [Witness] = []
    private var lookedAt: Duration?
    private var halved: (limit: Int, until: Duration)?

    private static let capacity = 50
    /// How long a search that was not whole keeps searches small.
    static let caution = Duration.seconds(600)
    /// How often candidates are looked for.
    private static let patience = Duration.seconds(60)

    init(maximum: Int) { self.maximum = maximum }

    /// How many bookings a search may ask for now.
    func limit(_ now: Duration) -> Int {
        // Without two witnesses there is no sharing, and no use in looking for some again and
        // again.
        if witnesses.count < 2, let lookedAt, now - lookedAt < Self.patience { return 1 }
        guard let halved, now < halved.until else { return maximum }
        return min(maximum, halved.limit)
    }

    /// Takes down that a search for so many bookings was not whole, twice.
    mutating func distrust(_ count: Int, _ now: Duration) {
        halved = (min(max(1, count / 2), limit(now)), now + Self.caution)
    }

    /// Whether candidates have to be looked for.
    func wantsCandidates(_ now: Duration) -> Bool {
        witnesses.count < 4 && lookedAt.map { now - $0 >= Self.patience } ?? true
    }

    /// Candidates have been looked for.
    mutating func looked(_ now: Duration) { lookedAt = now }

    /// Two witnesses for a search; nil if none are known that stand apart from its bookings and
    /// from one another.
    func pair(for bookings: [String], _ proof: SearchProof) -> (first: Witness, last: Witness)? {
        let apart = witnesses.reversed().filter { witness in
            !bookings.contains(witness.bookingID) && bookings.allSatisfy { proof.isApart(witness.bookingID, $0) }
        }
        for (index, first) in apart.enumerated() {
            if let last = apart[(index + 1)...].first(where: {
                $0.bookingID != first.bookingID && proof.isApart($0.bookingID, first.bookingID)
            }) {
                return (first, last)
            }
        }
        return nil
    }

    /// Takes what a search found for witnesses of the next one.
    mutating func learn(_ hits: [SearchHit]) {
        let seen = hits.compactMap { hit in
            hit.text.flatMap { TicketSearch.isPlain($0) ? Witness(ticket: hit.ticket, bookingID: $0) : nil }
        }
        witnesses.removeAll { old in seen.contains { $0.ticket == old.ticket } }
        witnesses = (witnesses + seen).suffix(Self.capacity)
    }

    mutating func forget(_ witness: Witness) { witnesses.removeAll { $0 == witness } }
}
