package import Zendesk

/// A booking whose open ticket an earlier search found. If a search for several bookings also finds
/// the witnesses among its terms, it has covered all terms.
///
/// Zendesk does not document what several terms of one field mean, or how many of them count. So
/// the first and the last term are witnesses. One of the two would be missing if every ticket had
/// to match all terms, or if only the first, only the last or only a limited number of terms
/// counted. Nor does an answer without hits say whether the index is complete, or whether the
/// token's owner may see the tickets.
package struct Witness: Hashable, Sendable {
    package var ticket: Int
    package var bookingID: String
    /// The ticket's brand and group, either of which the token's owner may lose.
    var brand: Int?
    var group: Int?

    package init(ticket: Int, bookingID: String) {
        self.ticket = ticket
        self.bookingID = bookingID
    }

    /// - Returns: nil if the hit names no booking that a search can find.
    init?(_ hit: SearchHit) {
        guard let text = hit.text, Self.isFindable(text) else { return nil }
        self.init(ticket: hit.ticket, bookingID: text)
        (brand, group) = (hit.brand, hit.group)
    }

    /// - Returns: nil if the ticket names no booking that a search can find.
    init?(_ reading: TicketReading, _ field: Int) {
        guard let text = reading.ticket.text(of: field), Self.isFindable(text) else { return nil }
        self.init(ticket: reading.ticket.id, bookingID: text)
    }

    /// Whether a search for the ID can find it. One without a letter or a digit has no word.
    static func isFindable(_ bookingID: String) -> Bool { TicketSearch.isPlain(bookingID) && !core(bookingID).isEmpty }

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
