/// A search hit, with the values in the search index.
package struct SearchHit: Equatable, Sendable {
    package var ticket: Int
    /// The text of the requested custom field, which may be outdated.
    package var text: String?
    package var brand: Int?
    package var group: Int?

    package init(ticket: Int, text: String?) {
        self.ticket = ticket
        self.text = text
    }

    init(_ hit: SearchAnswer.Hit, _ field: Int) {
        self.init(ticket: hit.id, text: hit.text(of: field))
        (brand, group) = (hit.brand_id, hit.group_id)
    }
}

/// The first page of a search.
package struct SearchPage: Equatable, Sendable {
    package var hits: [SearchHit]
    /// Whether these are all hits.
    package var isWhole: Bool

    package init(hits: [SearchHit], isWhole: Bool) {
        self.hits = hits
        self.isWhole = isWhole
    }
}
