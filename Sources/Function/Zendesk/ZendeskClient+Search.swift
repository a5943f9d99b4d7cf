import Support

/// Finds tickets by search, through the search's export, and in the list of tickets.
extension ZendeskClient {
    /// The matching tickets, each once, in order of creation.
    ///
    /// More than a thousand come from the search's export, which has no such limit and takes one
    /// call per hundred tickets.
    ///
    /// - Throws: ``ZendeskError``; of kind `unavailable` if the search counts more tickets than it
    ///   shows, twice.
    package func allHits(_ search: TicketSearch, showing field: Int, _ options: CallOptions) async throws(ZendeskError) -> [SearchHit] {
        try await whole { () async throws(ZendeskError) in
            var hits: [SearchHit] = []
            var seen: Set<Int> = []
            var held = 0
            for page in 1...(limits.hits / limits.items) {
                let target = search.target(page: page, size: limits.items)
                let answer: SearchAnswer = try await get(target, options).value
                guard answer.count <= limits.hits else {
                    let hits = try await exportedHits(search, field, options)
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

    /// Repeats a search whose answer counts more tickets than it shows.
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

    private func exportedHits(_ search: TicketSearch, _ field: Int, _ options: CallOptions) async throws(ZendeskError) -> [SearchHit] {
        var hits: [SearchHit] = []
        var position = ExportPosition()
        while true {
            let page = try await exportedPage(search, after: position.cursor, options)
            hits += page.results.map { SearchHit($0, field) }
            guard try position.advance(to: page.next) else { return hits }
        }
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
        _ options: CallOptions
    ) async throws(ZendeskError) -> (tickets: [(id: Int, createdAt: Int64?)], next: String?) {
        let page = try await exportedPage(search, after: cursor, options)
        return (page.results.map { ($0.id, $0.created_at.flatMap { RFC3339($0)?.seconds }) }, page.next)
    }

    /// Asks for a smaller page if one fails as a whole.
    private func exportedPage(
        _ search: TicketSearch,
        after cursor: String?,
        _ options: CallOptions
    ) async throws(ZendeskError) -> (results: [SearchAnswer.Hit], next: String?) {
        var size = limits.items
        var answer: ExportAnswer?
        while answer == nil {
            let repeats = size == limits.items ? Self.maximumRepeats : 0
            do throws(ZendeskError) {
                answer = try await get(search.exportTarget(after: cursor, size: size), options, repeats: repeats).value
            } catch {
                guard error.kind != .rejected, error.mayConcernOneItem, size > 1 else { throw error }
                size /= 2
            }
        }
        guard let answer else { preconditionFailure("a page that was read has an answer") }
        guard answer.meta.has_more else { return (answer.results, nil) }
        guard let next = answer.meta.after_cursor, next != cursor else {
            throw ZendeskError(.unavailable, "the search's export has more pages but gives no cursor")
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
        _ options: CallOptions
    ) async throws(ZendeskError) -> SearchPage {
        let target = search.target(page: 1, size: limits.items, isNewestFirst: isNewestFirst)
        var isWhole = true
        let hits = try await whole { () async throws(ZendeskError) in
            let answer: SearchAnswer = try await get(target, options, repeats: repeats).value
            isWhole = answer.next_page == nil && answer.count <= limits.hits
            return (answer.results.map { SearchHit($0, field) }, isWhole ? answer.count - answer.results.count : 0)
        }
        return SearchPage(hits: hits, isWhole: isWhole)
    }
}
