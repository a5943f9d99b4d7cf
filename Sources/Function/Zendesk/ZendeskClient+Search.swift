package import Support

/// Finds tickets by search, through the search's export, and in the list of tickets.
extension ZendeskClient {
    /// The matching tickets, each once, in order of creation.
    ///
    /// More than a thousand come from the search's export, which has no such limit and takes one
    /// call per hundred tickets.
    ///
    /// - Throws: ``ZendeskError``; of kind `unavailable` if the search counts more tickets than it
    ///   shows, twice.
    package func allHits(
        _ search: TicketSearch,
        showing field: Int,
        admitted: AdmittedCall? = nil,
        priority: CallPriority = .normal,
        deadline: Deadline
    ) async throws(ZendeskError) -> [SearchHit] {
        try await whole { () async throws(ZendeskError) in
            var hits: [SearchHit] = []
            var seen: Set<Int> = []
            var held = 0
            for page in 1...(limits.hits / limits.items) {
                let target = search.target(page: page, size: limits.items)
                let answer: SearchAnswer = try await get(target, priority, deadline, admitted: admitted).value
                guard answer.count <= limits.hits else {
                    let hits = try await exportedHits(search, field, priority, deadline)
                    return (hits, 0)
                }
                held += answer.results.count
                // Pages can overlap while tickets come and go.
                hits += answer.results.filter { seen.insert($0.id).inserted }.map { SearchHit($0, field) }
                if answer.next_page == nil || answer.results.isEmpty { return (hits, answer.count - held) }
            }
            return (hits, 0)
        }
    }

    /// Asks again if an answer counts more tickets than it shows.
    ///
    /// Source: zendesk/zendesk_api_client_php#265, where a search counts one ticket and shows none.
    private func whole(
        _ ask: () async throws(ZendeskError) -> (hits: [SearchHit], missing: Int)
    ) async throws(ZendeskError) -> [SearchHit] {
        var answer = try await ask()
        if answer.missing > 0 { answer = try await ask() }
        guard answer.missing <= 0 else {
            let shown = answer.hits.count
            throw ZendeskError(.unavailable, "Zendesk's search counts \(shown + answer.missing) tickets and shows \(shown)")
        }
        return answer.hits
    }

    private func exportedHits(
        _ search: TicketSearch,
        _ field: Int,
        _ priority: CallPriority,
        _ deadline: Deadline
    ) async throws(ZendeskError) -> [SearchHit] {
        var hits: [SearchHit] = []
        var cursors: Set<String> = []
        var cursor: String?
        repeat {
            let page = try await exportedPage(search, after: cursor, priority: priority, deadline: deadline)
            hits += page.results.map { SearchHit($0, field) }
            cursor = page.next
            guard cursor.map({ cursors.insert($0).inserted }) ?? true else {
                throw ZendeskError(.unavailable, "the search's export leads back to a page that it has given before")
            }
        } while cursor != nil
        return hits
    }

    /// A page of the search's export: the matching tickets in order of creation.
    ///
    /// - Parameters:
    ///   - cursor: the end of the previous page; nil for the first page. It expires after an hour.
    /// - Returns: ids with creation times in seconds since 1970, and the next page's cursor; nil
    ///   after the last page.
    /// - Throws: ``ZendeskError``; of kind `unavailable` if a page leads to itself.
    package func exportedTickets(
        _ search: TicketSearch,
        after cursor: String?,
        priority: CallPriority = .normal,
        deadline: Deadline
    ) async throws(ZendeskError) -> (tickets: [(id: Int, createdAt: Int64?)], next: String?) {
        let page = try await exportedPage(search, after: cursor, priority: priority, deadline: deadline)
        return (page.results.map { ($0.id, $0.created_at.flatMap { RFC3339($0)?.seconds }) }, page.next)
    }

    /// Asks for a smaller page if one fails as a whole.
    private func exportedPage(
        _ search: TicketSearch,
        after cursor: String?,
        priority: CallPriority,
        deadline: Deadline
    ) async throws(ZendeskError) -> (results: [SearchAnswer.Hit], next: String?) {
        var size = limits.items
        var answer: ExportAnswer?
        while answer == nil {
            let repeats = size == limits.items ? Self.maximumRepeats : 0
            do throws(ZendeskError) {
                answer = try await get(search.exportTarget(after: cursor, size: size), priority, deadline, repeats: repeats).value
            } catch {
                guard error.kind != .rejected, error.mayConcernOneItem, size > 1 else { throw error }
                size /= 2
            }
        }
        guard let answer else { preconditionFailure("a page that was read has an answer") }
        guard answer.meta.has_more else { return (answer.results, nil) }
        guard let next = answer.meta.after_cursor, next != cursor else {
            throw ZendeskError(.unavailable, "the search's export says that there is more, and not where")
        }
        return (answer.results, next)
    }

    /// The first page of hits, with a custom field's text from the search index.
    ///
    /// - Parameter isNewestFirst: true sorts by update, newest first; false sorts by creation,
    ///   oldest first.
    package func hits(
        _ search: TicketSearch,
        showing field: Int,
        isNewestFirst: Bool = false,
        repeats: Int = maximumRepeats,
        admitted: AdmittedCall? = nil,
        priority: CallPriority = .normal,
        deadline: Deadline
    ) async throws(ZendeskError) -> SearchPage {
        let target = search.target(page: 1, size: limits.items, isNewestFirst: isNewestFirst)
        var isWhole = true
        let hits = try await whole { () async throws(ZendeskError) in
            let answer: SearchAnswer = try await get(target, priority, deadline, repeats: repeats, admitted: admitted).value
            isWhole = answer.next_page == nil && answer.count <= limits.hits
            return (answer.results.map { SearchHit($0, field) }, isWhole ? answer.count - answer.results.count : 0)
        }
        return SearchPage(hits: hits, isWhole: isWhole)
    }

    /// A page of all tickets in any status, most recently updated first. It comes from the database
    /// and does not lag.
    ///
    /// - Parameter cursor: the end of the previous page; nil for the first page.
    ///
    /// Source: Zendesk API reference, "List Tickets" and "Pagination"; the sorting is that of
    /// Zendesk's guide to cursor pagination.
    package func ticketsByUpdate(
        after cursor: String?,
        priority: CallPriority = .normal,
        deadline: Deadline
    ) async throws(ZendeskError) -> TicketPage {
        let target =
            "/api/v2/tickets.json?sort=-updated_at&page%5Bsize%5D=\(limits.items)"
            + (cursor.map { "&page%5Bafter%5D=\(percentEncoded($0))" } ?? "")
        let answer: (value: TicketListAnswer, readAt: Int64?) = try await get(target, priority, deadline)
        let meta = answer.value.meta
        guard meta.has_more else { return TicketPage(answer.value, answer.readAt, next: nil) }
        guard let next = meta.after_cursor, next != cursor else {
            throw ZendeskError(.unavailable, "the list of tickets says that there is more, and not where")
        }
        return TicketPage(answer.value, answer.readAt, next: next)
    }
}

/// A ticket that a search found, as its index has it.
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

/// A page of the list of tickets.
package struct TicketPage: Sendable {
    package var readings: [TicketReading]
    /// Tickets that the list shows without custom fields. Only reading one shows whether it has
    /// any.
    package var withoutFields: Set<Int>
    /// The next page's cursor; nil after the last.
    package var next: String?

    init(_ answer: TicketListAnswer, _ readAt: Int64?, next: String?) {
        readings = answer.tickets.map { TicketReading(ticket: $0.ticket, readAt: readAt) }
        withoutFields = Set(answer.tickets.filter { !$0.hasCustomFields }.map(\.ticket.id))
        self.next = next
    }
}

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
