extension SimulatedZendesk {
    mutating func search(_ query: [String: String], now: Double) -> Response {
        func invalid(_ description: String) -> Response { Response(422, ["error": "invalid", "description": .string(description)]) }
        let parsed: SearchQuery
        do {
            parsed = try SearchQuery(query["query"] ?? "")
        } catch {
            unknownRequests.append("search term \(error.term)")
            return invalid("Invalid search: \(error.term)")
        }
        let page = Int(query["page"] ?? "1") ?? 1
        let perPage = min(Int(query["per_page"] ?? "100") ?? 100, 100)
        guard page > 0, perPage > 0, (page - 1) * perPage < 1000 else {
            return invalid("Requested response size was greater than Search Response Limits")
        }
        var hits = index.hits(parsed, now: now)
        if query["sort_order"] != "asc" { hits.reverse() }
        let slice = hits.dropFirst((page - 1) * perPage).prefix(perPage)
        let hasMore = page * perPage < min(hits.count, 1000)
        let next = "https://simulated.zendesk.com/api/v2/search.json?page=\(page + 1)&per_page=\(perPage)"
        return Response(
            200,
            [
                "results": .array(
                    slice.map { ticket in
                        guard case .object(let members) = ticket.json(fields) else { return .null }
                        return .object(members + [.init(name: "result_type", value: "ticket")])
                    }
                ),
                "facets": nil,
                "next_page": hasMore ? .string(next) : .null,
                "previous_page": nil,
                "count": .int(hits.count),
            ]
        )
    }

    func showMany(_ query: [String: String]) -> Response {
        let ids = (query["ids"] ?? "").split(separator: ",").compactMap { Int($0) }
        guard ids.count <= 100 else {
            return Response(
                400,
                [
                    "error": "TooManyValues", "description": "Parameter  cannot specify more than 100 values",
                    "max_count": 100,
                ]
            )
        }
        let found = ids.compactMap { tickets[$0]?.json(fields) }
        return Response(200, ["tickets": .array(found), "next_page": nil, "previous_page": nil, "count": .int(found.count)])
    }
}
