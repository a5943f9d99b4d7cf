/// How far a search's export has been read.
package struct ExportPosition: Sendable {
    /// The end of the last page; nil before the first one. It expires after an hour.
    package private(set) var cursor: String?
    private var seen: Set<String> = []

    package init() {}

    /// Moves to the next page.
    ///
    /// - Parameter next: the next page's cursor; nil after the last page.
    /// - Returns: false after the last page.
    /// - Throws: ``ZendeskError`` of kind `unavailable` if the export leads back to an earlier page.
    package mutating func advance(to next: String?) throws(ZendeskError) -> Bool {
        guard let next else { return false }
        guard seen.insert(next).inserted else {
            throw ZendeskError(.unavailable, "the search's export leads back to an earlier page")
        }
        cursor = next
        return true
    }
}
