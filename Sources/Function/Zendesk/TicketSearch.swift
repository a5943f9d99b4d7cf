import Support

/// Finds tickets by the text of a custom field.
///
/// Zendesk's search is fuzzy (it ignores case, matches prefixes and splits words at hyphens), lags
/// by minutes, and shows old values. Its results only say which tickets to read.
///
/// Source: Zendesk API reference, "Search", "Export Search Results", and help article "Zendesk
/// Support search reference".
package struct TicketSearch: Equatable, Sendable {
    /// The query in Zendesk's search language.
    let query: String

    /// Tickets that are not closed and whose custom field holds the text.
    ///
    /// - Returns: nil if the text could change the meaning of the query: it is empty, is longer
    ///   than 255 characters, or contains quotes, backslashes or control characters.
    package init?(customField field: Int, text: String) {
        self.init(customField: field, anyOf: [text])
    }

    /// Tickets that are not closed and whose custom field holds any of the texts. Zendesk does not
    /// document that one matching text is enough, so the answer has to prove it.
    package init?(customField field: Int, anyOf texts: [String]) {
        guard texts.allSatisfy(Self.isPlain) else { return nil }
        query = "status<closed" + texts.map { " custom_field_\(field):\"\($0)\"" }.joined()
    }

    /// Whether the text has no special meaning in a query.
    package static func isPlain(_ text: String) -> Bool {
        !text.isEmpty && text.count <= 255
            && !text.unicodeScalars.contains { $0 == "\"" || $0 == "\\" || $0.properties.generalCategory == .control }
    }

    /// Tickets that are not closed and have some value in the custom field.
    package init(withValueIn field: Int) { query = "status<closed custom_field_\(field):*" }

    /// Tickets that are not solved, have some value in the custom field, and were created at a time
    /// or later.
    ///
    /// - Parameter seconds: since 1970.
    package init(unsolvedWithValueIn field: Int, createdFrom seconds: Int64) {
        query = "status<solved custom_field_\(field):* created>=\(RFC3339(seconds: seconds))"
    }

    /// Unsolved tickets that have some value in one custom field, and none in another.
    package init(unsolvedWithValueIn field: Int, andNoneIn other: Int) {
        query = "status<solved custom_field_\(field):* -custom_field_\(other):*"
    }

    /// The target of the search's export, which has no result limit and is sorted by creation.
    func exportTarget(after cursor: String?, size: Int) -> String {
        let start = "/api/v2/search/export.json?query=\(percentEncoded(query))&filter%5Btype%5D=ticket&page%5Bsize%5D=\(size)"
        return cursor.map { "\(start)&page%5Bafter%5D=\(percentEncoded($0))" } ?? start
    }

    func target(page: Int, size: Int, isNewestFirst: Bool = false) -> String {
        let order = isNewestFirst ? "sort_by=updated_at&sort_order=desc" : "sort_by=created_at&sort_order=asc"
        return "/api/v2/search.json?query=\(percentEncoded("type:ticket \(query)"))&\(order)&per_page=\(size)&page=\(page)"
    }
}

/// Encodes everything but RFC 3986's unreserved characters.
func percentEncoded(_ text: String) -> String {
    text.percentEncoded { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
        default: "-._~".utf8.contains(byte)
        }
    }
}
