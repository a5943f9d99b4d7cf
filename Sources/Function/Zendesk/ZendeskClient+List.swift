import Support

extension ZendeskClient {
    /// A page of all tickets in any status, most recently updated first. It comes from the database
    /// and does not lag.
    ///
    /// - Parameter cursor: the end of the previous page; nil for the first page.
    ///
    /// Source: Zendesk API reference, "List Tickets" and "Pagination"; the sorting is that of
    /// Zendesk's guide to cursor pagination.
    package func ticketsByUpdate(after cursor: String?, _ options: CallOptions) async throws(ZendeskError) -> TicketPage {
        let target =
            "/api/v2/tickets.json?sort=-updated_at&page%5Bsize%5D=\(limits.items)"
            + (cursor.map { "&page%5Bafter%5D=\(percentEncoded($0))" } ?? "")
        let answer: (value: TicketListAnswer, readAt: Int64?) = try await get(target, options)
        let meta = answer.value.meta
        guard meta.has_more else { return TicketPage(answer.value, answer.readAt, next: nil) }
        guard let next = meta.after_cursor, next != cursor else {
            throw ZendeskError(.unavailable, "the list of tickets has more pages but gives no cursor")
        }
        return TicketPage(answer.value, answer.readAt, next: next)
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
