extension SimulatedZendesk {
    mutating func search(_ query: [String: String], now: Double) -> Response {
        let parsed: SearchQuery
        do {
            parsed = try SearchQuery(query["query"] ?? "", searchBehavior)
        } catch {
            unknownRequests.append("search term \(error.term)")
            return invalidSearch("Invalid search: \(error.term)")
        }
        let page = min(Int(query["page"] ?? "1") ?? 1, Self.lastPage)
        let perPage = min(Int(query["per_page"] ?? "100") ?? 100, pages.items)
        guard page > 0, perPage > 0, (page - 1) * perPage < pages.hits else {
            return invalidSearch("Requested response size was greater than Search Response Limits")
        }
        var hits = visibleHits(parsed, now: now)
        if query["sort_order"] != "asc" { hits.reverse() }
        var found = offsetPage("results", hits.map { $0.hit(fields, form) }, "/api/v2/search.json", query)
        if searchBehavior.miscounts, case .object(var members) = found.json, let count = members.firstIndex(where: { $0.name == "count" }) {
            members[count].value = .int(hits.count + 1)
            found = Response(200, .object(members))
        }
        // Pages end at the result limit, even if the count is larger.
        guard case .object(var members) = found.json else { return found }
        if page * perPage >= min(hits.count, pages.hits), let next = members.firstIndex(where: { $0.name == "next_page" }) {
            members[next].value = nil
        }
        found = Response(200, .object(members + [.init(name: "facets", value: nil)]))
        return found
    }

    /// The index's versions of the tickets that the token's owner may see.
    mutating func visibleHits(_ query: SearchQuery, now: Double) -> [SimulatedTicket] {
        let hits = index.hits(query, now: now)
        return searchBehavior.isBlind ? [] : hits.filter { !hiddenBrands.contains($0.brand) }
    }

    func showMany(_ query: [String: String]) -> Response {
        let ids = (query["ids"] ?? "").split(separator: ",").compactMap { Int($0) }
        guard ids.count <= pages.ids else { return tooManyValues }
        // Sorted by ID, whatever the order of the request.
        let found = ids.sorted().compactMap { tickets[$0] }.filter { !hiddenBrands.contains($0.brand) }.map { $0.json(fields, form) }
        return Response(200, ["tickets": .array(found), "next_page": nil, "previous_page": nil, "count": .int(found.count)])
    }

    var tooManyValues: Response {
        Response(
            400,
            [
                "error": "TooManyValues", "description": .string("Parameter  cannot specify more than \(pages.ids) values"),
                "max_count": .int(pages.ids),
            ]
        )
    }
}
