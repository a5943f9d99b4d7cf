/// The search index: each ticket as it was some time ago.
struct SimulatedIndex: Sendable {
    private var entries: [Int: SimulatedTicket] = [:]
    private var pending: [(visibleAt: Double, ticket: SimulatedTicket)] = []
    /// Word lists of the fields that queries have searched.
    private var words: [Int: WordList] = [:]

    mutating func add(_ ticket: SimulatedTicket, visibleAt: Double) {
        pending.append((visibleAt, ticket))
    }

    mutating func remove(_ id: Int) {
        set(id, nil)
        pending.removeAll { $0.ticket.id == id }
    }

    mutating func hits(_ query: SearchQuery, now: Double) -> [SimulatedTicket] {
        takeUp(now: now)
        return candidates(query).filter(query.matches).sorted { ($0.createdAt, $0.id) < ($1.createdAt, $1.id) }
    }

    private mutating func takeUp(now: Double) {
        let visible = pending.filter { $0.visibleAt <= now }
        guard !visible.isEmpty else { return }
        pending.removeAll { $0.visibleAt <= now }
        // Changes may be indexed in any order. The newest version of a ticket stays.
        for (_, ticket) in visible where entries[ticket.id].map({ $0.updatedAt <= ticket.updatedAt }) ?? true { set(ticket.id, ticket) }
    }

    private mutating func set(_ id: Int, _ ticket: SimulatedTicket?) {
        for field in words.keys where ticket?.customFields[field] != entries[id]?.customFields[field] {
            if let text = entries[id]?.text(of: field) { words[field]?.remove(id, of: text) }
            if let text = ticket?.text(of: field) { words[field]?.add(id, of: text) }
        }
        entries[id] = ticket
    }

    /// Narrows a search to tickets with the query's words, so that its cost does not grow with the
    /// account. A query without words gets every ticket.
    private mutating func candidates(_ query: SearchQuery) -> [SimulatedTicket] {
        guard let (field, prefixes) = query.prefixes else { return Array(entries.values) }
        let list = words[field] ?? WordList(entries.values, field: field)
        words[field] = list
        return prefixes.reduce(into: Set<Int>()) { $0.formUnion(list.ids($1)) }.compactMap { entries[$0] }
    }
}

/// The words of one field, and the tickets that have them.
private struct WordList {
    /// Sorted, so that words with the same prefix are adjacent.
    private var words: [String]
    private var ids: [String: Set<Int>] = [:]

    init(_ tickets: some Sequence<SimulatedTicket>, field: Int) {
        words = []
        for ticket in tickets {
            for word in SearchQuery.words(ticket.text(of: field) ?? "") { ids[word, default: []].insert(ticket.id) }
        }
        words = ids.keys.sorted()
    }

    mutating func add(_ id: Int, of text: String) {
        for word in SearchQuery.words(text) {
            if ids[word] == nil { words.insert(word, at: position(word)) }
            ids[word, default: []].insert(id)
        }
    }

    mutating func remove(_ id: Int, of text: String) {
        for word in SearchQuery.words(text) {
            ids[word]?.remove(id)
            guard ids[word]?.isEmpty == true else { continue }
            ids[word] = nil
            words.remove(at: position(word))
        }
    }

    func ids(_ prefix: String) -> Set<Int> {
        words[position(prefix)...].prefix { $0.hasPrefix(prefix) }.reduce(into: []) { $0.formUnion(ids[$1] ?? []) }
    }

    /// The index of the word, or where to insert it.
    private func position(_ word: String) -> Int {
        var range = 0..<words.count
        while !range.isEmpty {
            let middle = (range.lowerBound + range.upperBound) / 2
            if words[middle] < word { range = middle + 1..<range.upperBound } else { range = range.lowerBound..<middle }
        }
        return range.lowerBound
    }
}
