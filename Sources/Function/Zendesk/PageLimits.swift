/// Zendesk's limits per page and per request.
///
/// Source: Zendesk API reference, "Search", "Show Multiple Tickets", "Pagination".
package struct PageLimits: Equatable, Sendable {
    /// Items on a page.
    package var items = 100
    /// Maximum results of a search. Zendesk answers 422 beyond them.
    package var hits = 1000
    /// Ticket ids per request.
    package var ids = 100

    package init() {}
}
