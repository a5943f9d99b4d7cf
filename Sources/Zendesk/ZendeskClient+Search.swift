package import Support

/// Finds tickets by search, through the search's export, and in the list of tickets.
extension ZendeskClient {
    /// The unique ids of the matching tickets, in order of creation.
    ///
    /// More than a thousand come from the search's export, which has no such limit and takes one
    /// call per hundred tickets.
    package func ticketIDs(
        _ search: TicketSearch,
        admitted: AdmittedCall? = nil,
        priority: CallPriority = .normal,
        deadline: Deadline
    ) async throws(ZendeskError) -> [Int] {
        var ids: [Int] = []
        var seen: Set<Int> = []
        for page in 1...(limits.hits / limits.items) {
            let answer: SearchAnswer = try await get(
                search.target(page: page, size: limits.items),
                priority,
                deadline,
                admitted: admitted
            ).value
            guard answer.count <= limits.hits else { return try await exportedIDs(search, priority, deadline) }
            // Pages can overlap while tickets come and go.
            ids += answer.results.map(\.id).filter { seen.insert($0).inserted }
            if answer.next_page == nil || answer.results.isEmpty { break }
        }
        return ids
    }

    private func exportedIDs(
        _ search: TicketSearch,
        _ priority: CallPriority,
        _ deadline: Deadline
    ) async throws(ZendeskError) -> [Int] {
        var ids: [Int] = []
        var cursors: Set<String> = []
        var cursor: String?
        repeat {
            let page = try await exportedTickets(search, after: cursor, priority: priority, deadline: deadline)
            ids += page.tickets.map(\.id)
            cursor = page.next
            guard cursor.map({ cursors.insert($0).inserted }) ?? true else {
                throw ZendeskError(.unavailable, "the search's export leads back to a page that it has given before")
            }
        } while cursor != nil
        return ids
    }

    /// A page of the search's export: the matching tickets in order of creation.
    ///
    /// - Parameters:
    ///   - cursor: the end of the previous page; nil for the first page. It expires after an hour.
    ///   - size: maximum tickets on the page; nil for as many as Zendesk allows.
    /// - Returns: ids with creation times in seconds since 1970, and the next page's cursor; nil
    ///   after the last page.
    /// - Throws: ``ZendeskError``; of kind `unavailable` if a page leads to itself.
    package func exportedTickets(
        _ search: TicketSearch,
        after cursor: String?,
        size: Int? = nil,
        priority: CallPriority = .normal,
        deadline: Deadline
    ) async throws(ZendeskError) -> (tickets: [(id: Int, createdAt: Int64?)], next: String?) {
        let answer: ExportAnswer = try await get(
            search.exportTarget(after: cursor, size: size ?? limits.items),
            priority,
            deadline,
            repeats: size == nil ? Self.maximumRepeats : 0
        ).value
        let tickets = answer.results.map { ($0.id, $0.created_at.flatMap { RFC3339($0)?.seconds }) }
        guard answer.meta.has_more else { return (tickets, nil) }
        guard let next = answer.meta.after_cursor, next != cursor else {
            throw ZendeskError(.unavailable, "the search's export says that there is more, and not where")
        }
        return (tickets, next)
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
        let answer: HitsAnswer = try await get(target, priority, deadline, repeats: repeats, admitted: admitted).value
        return SearchPage(
            hits: answer.results.map { SearchHit(ticket: $0.id, text: $0.text(of: field)) },
            isWhole: answer.next_page == nil && answer.count == answer.results.count
        )
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

    package init(ticket: Int, text: String?) {
        self.ticket = ticket
        self.text = text
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
