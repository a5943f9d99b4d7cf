import FoundationEssentials

/// Paged lists: search export, tickets, audits, views and their tickets.
///
/// Source: Zendesk API reference, "Pagination", "Search", "Ticket audits" and "Views".
extension SimulatedZendesk {
    /// A page of a list by cursor. The cursor is the number of items before the page.
    ///
    /// - Parameter export: for an export, the page's start and the cursor after a number of items.
    private func cursorPage(
        _ name: String,
        _ items: [JSON],
        _ path: String,
        _ query: [String: String],
        export: (start: Int, cursor: (Int) -> String)? = nil
    ) -> Response {
        let isExport = export != nil
        let cursor = export?.cursor ?? Self.cursor
        let largest = isExport ? pages.exported : pages.items
        let size = min(max(Int(query["page[size]"] ?? "") ?? 100, 1), largest)
        let start = min(max(export?.start ?? query["page[after]"].flatMap(Self.offset) ?? 0, 0), items.count)
        let end = min(start + size, items.count)
        let hasMore = end < items.count
        var kept = query
        func link(_ name: String, _ offset: Int) -> JSON {
            kept["page[after]"] = nil
            kept[name] = cursor(offset)
            let pairs = kept.sorted { $0.key < $1.key }.map { "\(Self.escaped($0.key))=\(Self.escaped($0.value))" }
            return .string("\(baseURL)\(path)?\(pairs.joined(separator: "&"))")
        }
        return .init(
            200,
            .object([
                .init(name: name, value: .array(Array(items[min(start, end)..<end]))),
                .init(
                    name: "meta",
                    value: [
                        "has_more": .bool(hasMore), "after_cursor": end > start ? .string(cursor(end)) : .null,
                        "before_cursor": isExport || start == end ? .null : .string(cursor(start)),
                    ]
                ),
                .init(
                    name: "links",
                    value: [
                        "prev": isExport || start == end ? .null : link("page[before]", start),
                        // Also set after the last page: only has_more marks the end.
                        "next": end > start ? link("page[after]", end) : .null,
                    ]
                ),
            ])
        )
    }

    /// A page number beyond every list, small enough not to overflow in calculations.
    static let lastPage = 1 << 32

    /// A page of a list by number.
    func offsetPage(_ name: String, _ items: [JSON], _ path: String, _ query: [String: String]) -> Response {
        let size = min(max(Int(query["per_page"] ?? "") ?? 100, 1), pages.items)
        let page = min(max(Int(query["page"] ?? "") ?? 1, 1), Self.lastPage)
        let slice = Array(items.dropFirst((page - 1) * size).prefix(size))
        func link(_ page: Int) -> JSON {
            var kept = query
            kept["page"] = String(page)
            let pairs = kept.sorted { $0.key < $1.key }.map { "\(Self.escaped($0.key))=\(Self.escaped($0.value))" }
            return .string("\(baseURL)\(path)?\(pairs.joined(separator: "&"))")
        }
        return .init(
            200,
            .object([
                .init(name: name, value: .array(slice)),
                .init(name: "next_page", value: page * size < items.count ? link(page + 1) : .null),
                .init(name: "previous_page", value: page > 1 ? link(page - 1) : .null), .init(name: "count", value: .int(items.count)),
            ])
        )
    }

    /// A page of a list: by cursor if the request has `page[size]` or `page[after]`, otherwise by
    /// number.
    func page(_ name: String, _ items: [JSON], _ path: String, _ query: [String: String]) -> Response {
        let isByCursor = query["page[size]"] != nil || query["page[after]"] != nil
        return isByCursor ? cursorPage(name, items, path, query) : offsetPage(name, items, path, query)
    }

    mutating func searchExport(_ query: [String: String], now: Double) -> Response {
        guard query["filter[type]"] == "ticket" else { return invalidSearch("filter[type] is required") }
        let parsed: SearchQuery
        do {
            parsed = try SearchQuery(query["query"] ?? "", searchBehavior)
        } catch {
            unknownRequests.append("search term \(error.term)")
            return invalidSearch("Invalid search: \(error.term)")
        }
        let hits = visibleHits(parsed, now: now)
        // The cursor names the last ticket, so a ticket that leaves the list moves no other ticket
        // to another page.
        let passed = query["page[after]"].flatMap(Self.lastTicket)
        let start = passed.map { last in hits.firstIndex { ($0.createdAt, $0.id) > last } ?? hits.count } ?? 0
        let items = hits.map { $0.hit(fields, form) }
        var response = cursorPage("results", items, "/api/v2/search/export.json", query, export: (start, { Self.cursor(hits[$0 - 1]) }))
        if case .object(let members) = response.json { response = .init(200, .object(members + [.init(name: "facets", value: nil)])) }
        return response
    }

    func invalidSearch(_ description: String) -> Response {
        Response(422, ["error": "invalid", "description": .string(description)])
    }

    func ticketList(_ query: [String: String]) -> Response {
        let all =
            query["sort"] == "-updated_at" && listForm.isSorted
            ? tickets.values.sorted { ($0.updatedAt, $0.id) > ($1.updatedAt, $1.id) }
            : tickets.values.sorted { ($0.createdAt, $0.id) < ($1.createdAt, $1.id) }
        let found = query["external_id"] == nil ? all.filter { !hiddenBrands.contains($0.brand) } : []
        let shown = found.map { ticket in
            guard !listForm.hasCustomFields, case .object(let members) = ticket.json(fields, form) else { return ticket.json(fields, form) }
            return .object(members.filter { $0.name != "custom_fields" && $0.name != "fields" })
        }
        return page("tickets", shown, "/api/v2/tickets.json", query)
    }

    func audits(of id: String, _ query: [String: String]) -> Response {
        guard let ticket = Int(id).flatMap({ tickets[$0] }) else { return notFound }
        if let hidden = hidden(ticket.id) { return hidden }
        let audits = ticket.audits.indices.map { ticket.auditJSON($0, form) }
        return page("audits", audits, "/api/v2/tickets/\(id)/audits.json", query)
    }

    /// The tickets that match a view's conditions, in its order.
    mutating func tickets(ofView id: String, _ query: [String: String]) -> Response {
        guard let view = views.first(where: { String($0.id) == id }) else { return notFound }
        let definition = view.definition
        var found = Array(tickets.values)
        for condition in definition["all"]?.array ?? [] {
            guard let test = ViewCondition(condition) else {
                unknownRequests.append("view condition \(String(decoding: condition.data, as: UTF8.self))")
                continue
            }
            found.removeAll { !test.matches($0) }
        }
        let column = query["sort_by"] ?? definition["output"]?["sort_by"]?.string
        let isDescending = (query["sort_order"] ?? definition["output"]?["sort_order"]?.string) == "desc"
        // A custom field's column is sorted by tag; tickets without a value come last.
        let field = column.flatMap { Int($0) }
        func key(_ ticket: SimulatedTicket) -> String { field.flatMap { ticket.text(of: $0) } ?? "\u{10FFFF}" }
        found.sort { (key($0), $0.id) < (key($1), $1.id) }
        if isDescending { found.reverse() }
        return page("tickets", found.map { $0.json(fields, form) }, "/api/v2/views/\(id)/tickets.json", query)
    }

    private static func cursor(_ offset: Int) -> String { Data("offset \(offset)".utf8).base64EncodedString() }

    private static func offset(_ cursor: String) -> Int? {
        guard let text = Data(base64Encoded: cursor).map({ String(decoding: $0, as: UTF8.self) }), text.hasPrefix("offset ") else {
            return nil
        }
        return Int(text.dropFirst(7))
    }

    private static func cursor(_ last: SimulatedTicket) -> String { Data("after \(last.createdAt) \(last.id)".utf8).base64EncodedString() }

    private static func lastTicket(_ cursor: String) -> (Double, Int)? {
        let words = Data(base64Encoded: cursor).map { String(decoding: $0, as: UTF8.self).split(separator: " ") } ?? []
        guard words.count == 3, let createdAt = Double(words[1]), let id = Int(words[2]) else { return nil }
        return (createdAt, id)
    }

    private static func escaped(_ text: String) -> String {
        var escaped = ""
        for byte in text.utf8 {
            let scalar = Unicode.Scalar(byte)
            if scalar.isASCII, scalar.properties.isAlphabetic || ("0"..."9").contains(scalar) || "-._~".unicodeScalars.contains(scalar) {
                escaped.unicodeScalars.append(scalar)
            } else {
                escaped += (byte < 16 ? "%0" : "%") + String(byte, radix: 16, uppercase: true)
            }
        }
        return escaped
    }
}

/// A condition of a view. Only some conditions are simulated.
///
/// Source: Zendesk API reference, "Conditions reference".
private enum ViewCondition {
    case statusBelow(Int)
    case isPresent(field: Int)
    case isNotPresent(field: Int)
    case has(field: Int, value: String)

    init?(_ json: JSON) {
        let value = json["value"]?.string
        guard let field = json["field"]?.string, let comparison = json["operator"]?.string else { return nil }
        if field == "status", comparison == "less_than", let rank = value.flatMap({ SearchQuery.statuses.firstIndex(of: $0) }) {
            self = .statusBelow(rank)
            return
        }
        guard field.hasPrefix("custom_fields_"), let id = Int(field.dropFirst(14)) else { return nil }
        switch (comparison, value) {
        case ("present", _): self = .isPresent(field: id)
        case ("not_present", _): self = .isNotPresent(field: id)
        case ("is", let value?): self = .has(field: id, value: value)
        default: return nil
        }
    }

    func matches(_ ticket: SimulatedTicket) -> Bool {
        switch self {
        case .statusBelow(let rank): (SearchQuery.statuses.firstIndex(of: ticket.status) ?? 0) < rank
        case .isPresent(let field): ticket.customFields[field] != nil
        case .isNotPresent(let field): ticket.customFields[field] == nil
        case .has(let field, let value): ticket.text(of: field) == value
        }
    }
}
