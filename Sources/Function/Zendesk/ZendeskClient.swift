import FoundationEssentials
package import Support

/// A client for the part of Zendesk's Support API that a synchronization needs. It finds tickets,
/// reads them and updates their fields safely.
///
/// It stays within the account's limits. Every call waits for its turn in a budget, honors
/// Retry-After, and fails immediately if it cannot be made before the deadline. Failed reads are
/// repeated while there is time. Updates are not, since only reading the ticket shows whether one
/// took effect.
///
/// Source: Zendesk API reference, "Search", "Tickets", "Ticket fields" and "Rate limits".
package final class ZendeskClient: Sendable {
    private let transport: any OutboundTransport
    private let tokens: AccessTokens
    private let governor: CallGovernor
    private let fields: KnownFields
    let limits: PageLimits
    private let time: TimeSource

    /// Maximum time of one call, even if the deadline is later.
    private static let callTimeout = Duration.seconds(10)
    /// Maximum repeats of a failing read when Zendesk does not say how long to wait.
    package static let maximumRepeats = 2
    package static let defaultReadsPerMinute = 350
    package static let defaultWritesPerMinute = 50
    /// Zendesk has answered 500 to requests without a user agent.
    static let userAgent = "booking-status-sync"

    /// - Parameters:
    ///   - readsPerMinute: maximum calls that are not ticket updates, in any sixty seconds; half of
    ///     the limit in the account's headers if that is less.
    ///   - writesPerMinute: the same for ticket updates.
    package convenience init(
        transport: any OutboundTransport,
        credentials: ZendeskCredentials,
        readsPerMinute: Int = defaultReadsPerMinute,
        writesPerMinute: Int = defaultWritesPerMinute,
        time: TimeSource = .system
    ) {
        self.init(
            transport: transport,
            credentials: credentials,
            readsPerMinute: readsPerMinute,
            writesPerMinute: writesPerMinute,
            limits: PageLimits(),
            time: time
        )
    }

    /// - Parameter limits: a simulation passes small ones, so that a few tickets reach all of them.
    package init(
        transport: any OutboundTransport,
        credentials: ZendeskCredentials,
        readsPerMinute: Int,
        writesPerMinute: Int,
        limits: PageLimits,
        time: TimeSource
    ) {
        self.transport = transport
        self.limits = limits
        self.time = time
        tokens = AccessTokens(credentials, transport, time)
        governor = CallGovernor(readsPerMinute: readsPerMinute, writesPerMinute: writesPerMinute, time: time)
        fields = KnownFields(time)
    }

    /// The calls used in the last minute.
    package var usage: CallUsage { governor.usage() }

    func beganJob() { governor.beganJob() }

    /// Waits until a call other than a ticket update can be made. Only then does the caller decide
    /// what to ask for.
    ///
    /// - Parameter canWait: whether to wait for the error's `retryAfter`, asked before each wait.
    /// - Throws: ``ZendeskError`` of kind `limited` if the caller cannot wait that long.
    package func admission(_ priority: CallPriority, canWait: (ZendeskError) -> Bool) async throws(ZendeskError) -> AdmittedCall {
        try await governor.admit(.read, priority, canWait: canWait)
    }

    /// Reserves a place for the reading that follows a search.
    package func reserveReading() -> Reservation { governor.reserve() }

    /// Whether a drop-down field has an option with the tag. True for a field that is not a
    /// drop-down. The field is read once a minute, and again if the tag is missing.
    ///
    /// - Parameter tag: nil checks only the field.
    /// - Throws: ``ZendeskError``; of kind `misconfigured` if the field is missing or deactivated.
    package func field(_ field: Int, accepts tag: String?, _ options: CallOptions) async throws(ZendeskError) -> Bool {
        try await fields.accepts(tag, field: field, before: options.deadline) { () async throws(ZendeskError) in
            let answer: FieldAnswer = try await self.get("/api/v2/ticket_fields/\(field).json", options).value
            guard answer.ticket_field.active ?? true else {
                throw ZendeskError(.misconfigured, "the ticket field \(field) is deactivated: activate it, or check its id")
            }
            return answer.ticket_field.custom_field_options.map { Set($0.map(\.value)) }
        }
    }

    /// Forgets a field's options. Call this after Zendesk dropped a tag that was listed, and before
    /// a job, which does not report dropped tags.
    ///
    /// - Parameter age: entries younger than this are kept.
    package func forgetOptions(of field: Int, olderThan age: Duration = .zero) { fields.forget(field, olderThan: age) }

    /// The current tickets. Zendesk may leave some out. Only
    /// ``ticket(_:_:)`` shows whether one is gone.
    ///
    /// - Parameter repeats: how often a temporary failure is tried again.
    package func tickets(
        _ ids: [Int],
        repeats: Int = maximumRepeats,
        _ options: CallOptions
    ) async throws(ZendeskError) -> [TicketReading] {
        var readings: [TicketReading] = []
        for start in stride(from: 0, to: ids.count, by: limits.ids) {
            let chunk = ids[start..<min(start + limits.ids, ids.count)]
            let target = "/api/v2/tickets/show_many.json?ids=\(chunk.map(String.init).joined(separator: ","))"
            let answer: (value: TicketsAnswer, readAt: Int64?) = try await get(target, options, repeats: repeats)
            readings += answer.value.tickets.map { TicketReading(ticket: $0, readAt: answer.readAt) }
        }
        return readings
    }

    /// The current ticket.
    ///
    /// - Throws: ``ZendeskError``; of kind `notFound` if it has been deleted or merged.
    package func ticket(_ id: Int, _ options: CallOptions) async throws(ZendeskError) -> TicketReading {
        let answer: (value: TicketAnswer, readAt: Int64?) = try await get("/api/v2/tickets/\(id).json", options)
        return TicketReading(ticket: answer.value.ticket, readAt: answer.readAt)
    }

    /// The ticket's history, oldest first.
    ///
    /// - Throws: ``ZendeskError``; of kind `unavailable` if there are more than five thousand
    ///   updates, because the newest would be missing.
    ///
    /// Source: Zendesk API reference, "Ticket audits", which the token's scope has to cover with a
    /// global `read`.
    package func audits(of id: Int, _ options: CallOptions) async throws(ZendeskError) -> [TicketAudit] {
        var audits: [TicketAudit] = []
        var cursor: String?
        for _ in 0..<50 {
            let target =
                "/api/v2/tickets/\(id)/audits.json?page%5Bsize%5D=100" + (cursor.map { "&page%5Bafter%5D=\(percentEncoded($0))" } ?? "")
            let answer: AuditsAnswer = try await get(target, options).value
            audits += answer.audits.map(\.entry)
            guard answer.meta?.has_more == true, let next = answer.meta?.after_cursor, next != cursor else { return audits }
            cursor = next
        }
        throw ZendeskError(.unavailable, "the ticket's history is too long to search")
    }

    /// Updates a ticket if it has not changed since it was read.
    ///
    /// Zendesk silently drops an unknown tag of a drop-down. Check the answer's ticket.
    package func update(_ id: Int, _ update: TicketUpdate, _ options: CallOptions) async throws(ZendeskError) -> TicketUpdateAnswer {
        let body: Data
        do {
            body = try update.json
        } catch {
            throw ZendeskError(.rejected, "the update cannot be written as JSON: \(error)")
        }
        let request = OutboundRequest(.put, "/api/v2/tickets/\(id).json", body: body)
        let answer: TicketAnswer = try await send(request, .write, options).value
        return TicketUpdateAnswer(ticket: answer.ticket, audit: answer.audit?.entry)
    }

    /// Makes any other call, for administration. It is repeated only after an expired token.
    ///
    /// - Returns: the decoded answer and its header fields, with names in lower case.
    package func call<Answer: Decodable>(
        _ request: OutboundRequest,
        _ deadline: Deadline
    ) async throws(ZendeskError) -> (value: Answer, headers: [String: String]) {
        let response = try await respond(to: request, deadline)
        return (try value(of: response, to: request, .init(request)), response.headers)
    }

    /// Makes any other call and returns the answer, whatever its status.
    package func respond(to request: OutboundRequest, _ deadline: Deadline) async throws(ZendeskError) -> OutboundResponse {
        try await exchange(request, .init(request), .before(deadline))
    }

    /// Makes a GET request. Repeats it a few times after a temporary failure.
    func get<Answer: Decodable>(
        _ target: String,
        _ options: CallOptions,
        repeats maximumRepeats: Int = ZendeskClient.maximumRepeats
    ) async throws(ZendeskError) -> (value: Answer, readAt: Int64?) {
        let request = OutboundRequest(.get, target)
        var repeats = 0
        while true {
            do throws(ZendeskError) {
                return try await send(request, .read, options)
            } catch {
                switch error.kind {
                // The budget, or the mint, is already blocked for as long as Zendesk asked, so the
                // next call waits there.
                case .limited where error.status != nil && (error.retryAfter ?? .zero) < options.deadline.remaining: continue
                case .unavailable where repeats < maximumRepeats:
                    repeats += 1
                    let wait = error.retryAfter ?? Duration.milliseconds(100 + Int(time.random() * 400)) * repeats
                    guard wait < options.deadline.remaining else { throw error }
                    try await time.pause(wait)
                default: throw error
                }
            }
        }
    }

    func send<Answer: Decodable>(
        _ request: OutboundRequest,
        _ kind: CallGovernor.Kind,
        _ options: CallOptions
    ) async throws(ZendeskError) -> (value: Answer, readAt: Int64?) {
        let response = try await exchange(request, kind, options)
        return (try value(of: response, to: request, kind), response.headers["date"].flatMap { HTTPDate.seconds($0) })
    }

    private func value<Answer: Decodable>(
        of response: OutboundResponse,
        to request: OutboundRequest,
        _ kind: CallGovernor.Kind
    ) throws(ZendeskError) -> Answer {
        guard (200..<300).contains(response.status) else {
            let error = ZendeskError(response, to: request)
            governor.obey(error, kind)
            throw error
        }
        guard let value = try? JSONDecoder().decode(Answer.self, from: response.body) else {
            throw ZendeskError.unreadable(response, to: request)
        }
        return value
    }

    /// Sends a request when its turn comes. Repeats it once with a new token if the first is
    /// rejected.
    private func exchange(
        _ request: OutboundRequest,
        _ kind: CallGovernor.Kind,
        _ options: CallOptions
    ) async throws(ZendeskError) -> OutboundResponse {
        var isSecondTry = false
        while true {
            let token = try await tokens.token(before: options.deadline)
            let ended: @Sendable () -> Void
            if let end = options.admitted?.take() {
                ended = end
            } else {
                ended = try await governor.admit(kind, options.priority) { options.canWait($0.retryAfter ?? .zero) }.take()!
            }
            let response: OutboundResponse
            do throws(ZendeskError) {
                response = try await answer(to: request, token, options.deadline)
                ended()
            } catch {
                ended()
                throw error
            }
            governor.learn(response.headers)
            if response.status == 401, !isSecondTry, tokens.refuse(token) {
                isSecondTry = true
                continue
            }
            if response.status == 401, isSecondTry { tokens.refuse(token, ZendeskError(response, to: request)) }
            return response
        }
    }

    private func answer(to request: OutboundRequest, _ token: String, _ deadline: Deadline) async throws(ZendeskError) -> OutboundResponse {
        let timeout = min(deadline.remaining, Self.callTimeout)
        guard timeout > .zero else { throw ZendeskError(.timeIsUp, "no time is left for a call to Zendesk") }
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

extension CallGovernor.Kind {
    fileprivate init(_ request: OutboundRequest) { self = request.method == .get ? .read : .write }
}
