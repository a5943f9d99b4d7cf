import FoundationEssentials
import Timestamps

/// The part of Zendesk's Support API that a synchronisation needs: find tickets, read them, update their fields safely.
///
/// It keeps within the account's limits: every call takes its turn in a budget, a Retry-After is obeyed, and what cannot be done before
/// the deadline is given back at once. Reads are repeated while there is time; an update never is, since only a reading can tell
/// what became of it.
///
/// Source: Zendesk API reference, "Search", "Tickets", "Ticket fields" and "Rate limits".
public final class ZendeskClient: Sendable {
    private let transport: any ZendeskTransport
    private let tokens: AccessTokens
    private let governor: CallGovernor
    private let tags: DropDownTags
    private let time: TimeSource

    /// What one call may take at most, however much time there is.
    private static let longestCall = Duration.seconds(10)
    /// How often a failing read is repeated where Zendesk does not say how long to wait.
    private static let mostRepeats = 2
    /// Requests without one have been answered 500.
    static let userAgent = "booking-status-sync"

    /// - Parameters:
    ///   - readsPerMinute: how many calls that change nothing may be made in any sixty seconds; half of what the account's headers allow
    ///     if that is less.
    ///   - writesPerMinute: the same for ticket updates.
    public init(
        transport: any ZendeskTransport,
        credentials: ZendeskCredentials,
        readsPerMinute: Int = 200,
        writesPerMinute: Int = 50,
        time: TimeSource = .system
    ) {
        self.transport = transport
        self.time = time
        tokens = AccessTokens(credentials, transport, time)
        governor = CallGovernor(readsPerMinute: readsPerMinute, writesPerMinute: writesPerMinute, time: time)
        tags = DropDownTags(time)
    }

    /// Looks at the budget for ticket updates without using it.
    ///
    /// - Throws: ``ZendeskError`` of kind `limited` if an update would not have its turn before the deadline.
    public func expectUpdate(before deadline: Deadline) throws(ZendeskError) {
        try governor.expect(.write, before: deadline)
    }

    /// Whether a drop-down field has an option with the tag; true for a field that is no drop-down. The options are read once, and
    /// again if the tag is missing.
    public func field(_ field: Int, accepts tag: String, deadline: Deadline) async throws(ZendeskError) -> Bool {
        try await tags.accepts(tag, field: field, before: deadline) { () async throws(ZendeskError) in
            let answer: FieldAnswer = try await self.get("/api/v2/ticket_fields/\(field).json", deadline).value
            return answer.ticket_field.custom_field_options.map { Set($0.map(\.value)) }
        }
    }

    /// Forgets a field's options, for when Zendesk dropped a tag that it had.
    public func forgetOptions(of field: Int) { tags.forget(field) }

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

    /// A page of all the tickets that match, in the order of their creation.
    ///
    /// - Parameter cursor: where the page before ended; nil for the first one. It lasts for an hour.
    /// - Returns: ids with the time of creation, in seconds since 1970, and the next page's cursor, nil after the last.
    package func exportedTickets(
        _ search: TicketSearch,
        after cursor: String?,
        deadline: Deadline
    ) async throws(ZendeskError) -> (tickets: [(id: Int, createdAt: Int64?)], next: String?) {
        let answer: ExportAnswer = try await get(search.exportTarget(after: cursor), deadline).value
        let tickets = answer.results.map { ($0.id, $0.created_at.flatMap { RFC3339($0)?.seconds }) }
        return (tickets, answer.meta.has_more ? answer.meta.after_cursor : nil)
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
    ///
    /// - Parameter yields: whether half of the budget for updates is left to those that do not yield.
    public func update(
        _ id: Int,
        _ update: TicketUpdate,
        yields: Bool = false,
        deadline: Deadline
    ) async throws(ZendeskError) -> TicketUpdateAnswer {
        let body: Data
        do {
            body = try update.json
        } catch {
            throw ZendeskError(.rejected, "the update cannot be written as JSON: \(error)")
        }
        let request = ZendeskRequest(.put, "/api/v2/tickets/\(id).json", body: body)
        let answer: TicketAnswer = try await send(request, .write, yields: yields, deadline).value
        return TicketUpdateAnswer(ticket: answer.ticket, replaced: answer.audit?.replaced ?? [:])
    }

    /// Makes any other call, as administration does; it is repeated for nothing but an expired token.
    ///
    /// - Returns: what the answer says, and its header fields, their names in lower case.
    package func call<Answer: Decodable>(
        _ request: ZendeskRequest,
        _ deadline: Deadline
    ) async throws(ZendeskError) -> (value: Answer, headers: [String: String]) {
        let response = try await respond(to: request, deadline)
        return (try value(of: response, to: request), response.headers)
    }

    /// The same, whatever the answer's status is.
    package func respond(to request: ZendeskRequest, _ deadline: Deadline) async throws(ZendeskError) -> ZendeskResponse {
        try await exchange(request, request.method == .get ? .read : .write, deadline)
    }

    /// Reads, and repeats what failed for a while.
    private func get<Answer: Decodable>(
        _ target: String,
        _ deadline: Deadline
    ) async throws(ZendeskError) -> (value: Answer, readAt: Int64?) {
        let request = ZendeskRequest(.get, target)
        var repeats = 0
        while true {
            do throws(ZendeskError) {
                return try await send(request, .read, deadline)
            } catch {
                switch error.kind {
                // The budget is blocked for as long as Zendesk asked: the next call waits in it.
                case .limited where error.status != nil && (error.retryAfter ?? .zero) < deadline.remaining: continue
                case .unavailable where repeats < Self.mostRepeats:
                    repeats += 1
                    let wait = error.retryAfter ?? Duration.milliseconds(100 + Int(time.random() * 400)) * repeats
                    guard wait < deadline.remaining else { throw error }
                    try await time.pause(wait)
                default: throw error
                }
            }
        }
    }

    private func send<Answer: Decodable>(
        _ request: ZendeskRequest,
        _ kind: CallGovernor.Kind,
        yields: Bool = false,
        _ deadline: Deadline
    ) async throws(ZendeskError) -> (value: Answer, readAt: Int64?) {
        let response = try await exchange(request, kind, yields: yields, deadline)
        return (try value(of: response, to: request), response.headers["date"].flatMap { HTTPDate.seconds($0) })
    }

    private func value<Answer: Decodable>(of response: ZendeskResponse, to request: ZendeskRequest) throws(ZendeskError) -> Answer {
        guard (200..<300).contains(response.status) else {
            let error = ZendeskError(response, to: request)
            governor.obey(error)
            throw error
        }
        guard let value = try? JSONDecoder().decode(Answer.self, from: response.body) else {
            throw ZendeskError.unreadable(response, to: request)
        }
        return value
    }

    /// Sends a request when it is its turn; with another token if the first one is not accepted.
    private func exchange(
        _ request: ZendeskRequest,
        _ kind: CallGovernor.Kind,
        yields: Bool = false,
        _ deadline: Deadline
    ) async throws(ZendeskError) -> ZendeskResponse {
        var isSecondTry = false
        while true {
            let token = try await tokens.token(before: deadline)
            let response = try await governor.call(kind, before: deadline, yields: yields) { () async throws(ZendeskError) in
                try await self.answer(to: request, token, deadline)
            }
            governor.learn(response.headers)
            if response.status == 401, !isSecondTry, tokens.refuse(token) {
                isSecondTry = true
                continue
            }
            return response
        }
    }

    private func answer(to request: ZendeskRequest, _ token: String, _ deadline: Deadline) async throws(ZendeskError) -> ZendeskResponse {
        let timeout = min(deadline.remaining, Self.longestCall)
        guard timeout > .zero else { throw ZendeskError(.unavailable, "no time is left for a call to Zendesk") }
        var request = request
        request.headers += [("accept", "application/json"), ("user-agent", Self.userAgent), ("authorization", "Bearer \(token)")]
        if request.body != nil { request.headers.append(("content-type", "application/json")) }
        do {
            return try await transport.send(request, timeout: timeout)
        } catch {
            throw ZendeskError(error, to: request)
        }
    }
}
