package import Zendesk

/// A booking whose open ticket an earlier search found. A search for several bookings that also
/// finds this one has looked for all of them.
///
/// Zendesk does not document what several terms of one field mean, or how many of them count. So
/// the first and the last term are witnesses. One of the two would be missing if every ticket had
/// to match all terms, or if only the first, only the last or only a limited number of terms
/// counted.
package struct Witness: Hashable, Sendable {
    package var ticket: Int
    package var bookingID: String

    package init(ticket: Int, bookingID: String) {
        self.ticket = ticket
        self.bookingID = bookingID
    }

    /// Whether no hit of the other term can be mistaken for one of this witness: neither ID
    /// contains the other. Search ignores case, splits at everything except letters and digits, and
    /// matches prefixes of words.
    package static func isApart(_ witness: String, _ other: String) -> Bool {
        let (witness, other) = (core(witness), core(other))
        return !witness.contains(other) && !other.contains(witness)
    }

    /// Whether the hit is this ticket, with this booking's ID. The ticket alone is not enough: it
    /// may now name another booking and be a hit for that one.
    package func isFound(in hit: SearchHit) -> Bool { hit.ticket == ticket && hit.text == bookingID }

    /// The letters and digits of an ID, in lower case. A search for an ID may find any ID whose
    /// core contains its own.
    static func core(_ text: String) -> String { text.lowercased().filter { $0.isLetter || $0.isNumber } }
}

/// The known witnesses of an instance, and its number of bookings per search. A pure state machine.
struct WitnessPool: Sendable {
    /// Maximum bookings in one search, excluding the two witnesses.
    let maximum: Int
    /// Most recently seen last.
    private var witnesses: [Witness] = []
    private var lookedAt: Duration?
    private var halved: (limit: Int, until: Duration)?

    private static let capacity = 50
    /// How long searches stay small after an incomplete one.
    static let caution = Duration.seconds(600)
    /// Minimum time between two searches for candidates.
    private static let patience = Duration.seconds(60)

    init(maximum: Int) { self.maximum = maximum }

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
        halved = (min(max(1, count / 2), limit(now)), now + Self.caution)
    }

    /// Whether to search for candidates.
    func wantsCandidates(_ now: Duration) -> Bool {
        witnesses.count < 4 && lookedAt.map { now - $0 >= Self.patience } ?? true
    }

    /// Records that candidates were searched for.
    mutating func looked(_ now: Duration) { lookedAt = now }

    /// Two witnesses for a search; nil if no known two are apart from its bookings and from each
    /// other.
    func pair(for bookings: [String]) -> (first: Witness, last: Witness)? {
        let apart = witnesses.reversed().filter { witness in
            !bookings.contains(witness.bookingID) && bookings.allSatisfy { Witness.isApart(witness.bookingID, $0) }
        }
        for (index, first) in apart.enumerated() {
            if let last = apart[(index + 1)...].first(where: {
                $0.bookingID != first.bookingID && Witness.isApart($0.bookingID, first.bookingID)
            }) {
                return (first, last)
            }
        }
        return nil
    }

    /// Keeps the hits of a search as witnesses for the next one.
    mutating func learn(_ hits: [SearchHit]) {
        let seen = hits.compactMap { hit in
            hit.text.flatMap { TicketSearch.isPlain($0) ? Witness(ticket: hit.ticket, bookingID: $0) : nil }
        }
        witnesses.removeAll { old in seen.contains { $0.ticket == old.ticket } }
        witnesses = (witnesses + seen).suffix(Self.capacity)
    }

    mutating func forget(_ witness: Witness) { witnesses.removeAll { $0 == witness } }
}
