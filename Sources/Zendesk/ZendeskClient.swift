import FoundationEssentials
import Timestamps

/// The part of Zendesk's Support API that a synchronisation needs: find tickets, read them, update their fields safely.
///
/// Source: Zendesk API reference, "Search" and "Tickets".
public struct ZendeskClient: Sendable {
    private let transport: any ZendeskTransport
    private let accessToken: String

    /// What one call may take at most, however much time there is.
    private static let longestCall = Duration.seconds(10)

    public init(transport: any ZendeskTransport, accessToken: String) {
        self.transport = transport
        self.accessToken = accessToken
    }

    /// The ids of the tickets that match, in rising order of their creation, each once.
    ///
    /// - Throws: ``ZendeskError``; of kind `tooManyResults` if more than 1,000 tickets match.
    public func ticketIDs(_ search: TicketSearch, deadline: Deadline) async throws(ZendeskError) -> [Int] {
        var ids: [Int] = []
        var seen: Set<Int> = []
        for page in 1...(TicketSearch.maximumResults / TicketSearch.pageSize) {
            let answer: SearchAnswer = try await get(search.target(page: page), deadline).value
            guard answer.count <= TicketSearch.maximumResults else {
                throw ZendeskError(.tooManyResults, "\(answer.count) tickets match one booking; Zendesk's search gives 1,000 at most")
            }
            // Pages can overlap while tickets come and go.
            ids += answer.results.map(\.id).filter { seen.insert($0).inserted }
            if answer.next_page == nil || answer.results.isEmpty { break }
        }
        return ids
    }

    /// The tickets as they are now. Deleted ones are missing from the result.
    public func tickets(_ ids: [Int], deadline: Deadline) async throws(ZendeskError) -> [TicketReading] {
        var readings: [TicketReading] = []
        for start in stride(from: 0, to: ids.count, by: 100) {
            let chunk = ids[start..<min(start + 100, ids.count)]
            let target = "/api/v2/tickets/show_many.json?ids=\(chunk.map(String.init).joined(separator: ","))"
            let answer: (value: TicketsAnswer, readAt: Int64?) = try await get(target, deadline)
            readings += answer.value.tickets.map { TicketReading(ticket: $0, readAt: answer.readAt) }
        }
        return readings
    }

    /// The ticket as it is now.
    public func ticket(_ id: Int, deadline: Deadline) async throws(ZendeskError) -> TicketReading {
        let answer: (value: TicketAnswer, readAt: Int64?) = try await get("/api/v2/tickets/\(id).json", deadline)
        return TicketReading(ticket: answer.value.ticket, readAt: answer.readAt)
    }

    /// Updates a ticket if it is still as it was read.
    ///
    /// Zendesk drops a drop-down's unknown tag without a word: look at the answer's ticket.
    public func update(_ id: Int, _ update: TicketUpdate, deadline: Deadline) async throws(ZendeskError) -> TicketUpdateAnswer {
        let body: Data
        do {
            body = try update.json
        } catch {
            throw ZendeskError(.rejected, "the update cannot be written as JSON: \(error)")
        }
        let answer: TicketAnswer = try await send(ZendeskRequest(.put, "/api/v2/tickets/\(id).json", body: body), deadline).value
        return TicketUpdateAnswer(ticket: answer.ticket, replaced: answer.audit?.replaced ?? [:])
    }

    private func get<Answer: Decodable>(
        _ target: String,
        _ deadline: Deadline
    ) async throws(ZendeskError) -> (value: Answer, readAt: Int64?) {
        try await send(ZendeskRequest(.get, target), deadline)
    }

    private func send<Answer: Decodable>(
        _ request: ZendeskRequest,
        _ deadline: Deadline
    ) async throws(ZendeskError) -> (value: Answer, readAt: Int64?) {
        let timeout = min(deadline.remaining, Self.longestCall)
        guard timeout > .zero else { throw ZendeskError(.unavailable, "no time is left for a call to Zendesk") }
        var request = request
        // Requests without a User-Agent have been answered 500.
        request.headers += [
            ("accept", "application/json"), ("user-agent", "booking-status-sync"), ("authorization", "Bearer \(accessToken)"),
        ]
        if request.body != nil { request.headers.append(("content-type", "application/json")) }
        let response: ZendeskResponse
        do {
            response = try await transport.send(request, timeout: timeout)
        } catch {
            throw ZendeskError(error, to: request)
        }
        guard (200..<300).contains(response.status) else { throw ZendeskError(response, to: request) }
        guard let value = try? JSONDecoder().decode(Answer.self, from: response.body) else {
            throw ZendeskError.unreadable(response, to: request)
        }
        return (value, response.headers["date"].flatMap { HTTPDate.seconds($0) })
    }
}

private struct SearchAnswer: Decodable {
    struct Hit: Decodable { let id: Int }
    let results: [Hit]
    let next_page: String?
    let count: Int
}

private struct TicketsAnswer: Decodable { let tickets: [Ticket] }

private struct TicketAnswer: Decodable {
    let ticket: Ticket
    let audit: Audit?

    struct Audit: Decodable {
        let events: [Event]?

        struct Event: Decodable {
            let field: Int?
            let previous: String?

            private enum Key: CodingKey { case type, field_name, previous_value }

            init(from decoder: any Decoder) throws {
                let container = try decoder.container(keyedBy: Key.self)
                let name = try? container.decode(String.self, forKey: .field_name)
                field = try container.decodeIfPresent(String.self, forKey: .type) == "Change" ? name.flatMap { Int($0) } : nil
                previous = try? container.decode(String.self, forKey: .previous_value)
            }
        }

        /// Custom fields are named by their id.
        var replaced: [Int: String?] {
            var replaced: [Int: String?] = [:]
            for event in events ?? [] {
                if let field = event.field { replaced.updateValue(event.previous, forKey: field) }
            }
            return replaced
        }
    }
}
