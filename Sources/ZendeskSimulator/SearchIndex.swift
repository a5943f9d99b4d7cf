/// What search knows: each ticket as it was some time ago.
struct SearchIndex: Sendable {
    private var entries: [Int: SimulatedTicket] = [:]
    private var pending: [(visibleAt: Double, ticket: SimulatedTicket)] = []

    mutating func add(_ ticket: SimulatedTicket, visibleAt: Double) {
        pending.append((visibleAt, ticket))
    }

    mutating func remove(_ id: Int) {
        entries[id] = nil
        pending.removeAll { $0.ticket.id == id }
    }

    mutating func hits(_ query: SearchQuery, now: Double) -> [SimulatedTicket] {
        pending.removeAll { entry in
            guard entry.visibleAt <= now else { return false }
            // An index may take up changes in any order, but keeps the newest of a ticket.
            if entries[entry.ticket.id].map({ $0.updatedAt <= entry.ticket.updatedAt }) ?? true { entries[entry.ticket.id] = entry.ticket }
            return true
        }
        return entries.values.filter(query.matches).sorted { ($0.createdAt, $0.id) < ($1.createdAt, $1.id) }
    }
}
