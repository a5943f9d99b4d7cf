package import FoundationEssentials
import Support

/// A Zendesk account in memory. It answers requests and does nothing else; time and randomness are
/// inputs.
///
/// It follows Zendesk's documentation and recorded answers, and shares no type with the client
/// under test.
///
/// Sources: Zendesk API reference, "Search", "Tickets", "Rate limits"; real answers in the issue
/// trackers of zendesk_api_client_rb and zendesk_api_client_php.
package struct SimulatedZendesk: Sendable {
    package internal(set) var tickets: [Int: SimulatedTicket] = [:]
    package var fields: [TicketField]
    /// A token that never expires. If it is nil and there are no clients, any token is accepted.
    package var accessToken: String?
    /// The OAuth clients, which mint tokens for themselves.
    package var clients: [Client] = []
    /// The lifetime of a minted token if the request names none, in seconds.
    package var tokenLifetime = 1800.0
    package var limits = RateLimits()
    /// Update limits of single tickets in ten minutes, which override ``limits``.
    package var limitsOfTickets: [Int: Int] = [:]
    package var pages = PageLimits()
    package var form: AnswerForm
    package var searchBehavior = SearchBehavior()
    package var jobBehavior = JobBehavior()
    package var listForm = ListForm()
    /// The brands that the token's owner may not see. Search and lists leave their tickets out.
    package var hiddenBrands: Set<Int> = []
    /// The delay of the search index, in seconds. Each change gets a random delay from this range.
    package var searchLag: ClosedRange<Double> = 0...0
    /// The faults to inject; none by default.
    package var faults = Faults()
    /// Called for each update that changed something, with the ticket's ID.
    package var onAudit: (@Sendable (Int, SimulatedTicket.Audit) -> Void)?
    package var webhooks: [Webhook] = []
    /// Called for each request that a webhook makes.
    package var onWebhook: (@Sendable (WebhookCall) -> Void)?
    var lastEvent = 0
    /// The account's URL, which starts the links in its answers.
    package var baseURL = "https://simulated.zendesk.com"
    /// The user that every token acts as.
    package var user = User()
    package internal(set) var views: [View] = []
    /// Triggers and ticket forms, as Zendesk's JSON.
    package var triggers: [JSON] = []
    package var ticketForms: [JSON] = []
    /// Requests that the simulator does not know. Callers can check that there are none.
    package internal(set) var unknownRequests: [String] = []
    /// The number of requests by method, path without numbers, and status.
    package private(set) var answered: [String: Int] = [:]

    var index = SimulatedIndex()
    private var requestWindow = RateWindow(length: 60)
    var updateWindow = RateWindow(length: 60)
    var ticketWindows: [Int: RateWindow] = [:]
    var random: SplitMix64
    var mintedTokens: [String: Double] = [:]
    var jobs: [SimulatedJob] = []
    var lastJob = 0
    /// Called for each update by a job.
    package var onJobUpdate: (@Sendable (JobUpdate) -> Void)?
    package internal(set) var jobFaults = JobFaults()

    /// The probability of each fault, for every request that it can affect.
    package struct Faults: Equatable, Sendable {
        /// 503 for any request.
        package var outage = 0.0
        /// 429, with a wait of one second.
        package var tooManyRequests = 0.0
        /// 409 for an update, as if another update had been faster.
        package var conflicts = 0.0
        /// A job that begins minutes late.
        package var stalledJobs = 0.0
        /// A job whose status cannot be read. It may still do its work.
        package var vanishedJobs = 0.0
        /// A job that fails as a whole.
        package var failedJobs = 0.0
        /// A job item that loses its drop-down's tag.
        package var tagsDroppedByJobs = 0.0
        /// 429 for a job: too many are queued.
        package var tooManyJobs = 0.0

        package init() {}
    }

    /// A confidential OAuth client.
    package struct Client: Equatable, Sendable {
        package var id: String
        package var secret: String

        package init(id: String, secret: String) {
            self.id = id
            self.secret = secret
        }
    }

    package struct Request: Sendable {
        package var method: String
        /// Path and query.
        package var target: String
        package var authorization: String?
        package var body: Data

        package init(method: String, target: String, authorization: String? = nil, body: Data = Data()) {
            self.method = method
            self.target = target
            self.authorization = authorization
            self.body = body
        }
    }

    package struct Response: Equatable, Sendable {
        package var status: Int
        package var headers: [String: String] = [:]
        package var contentType = "application/json; charset=utf-8"
        package var body: Data
        /// The body, if it is JSON.
        private(set) var json = JSON.null

        init(_ status: Int, _ json: JSON) {
            self.status = status
            self.json = json
            body = json.data
        }

        init(_ status: Int, text: String) {
            self.status = status
            contentType = "text/plain; charset=utf-8"
            body = Data(text.utf8)
        }
    }

    package init(fields: [TicketField], seed: UInt64 = 0) {
        self.fields = fields
        form = AnswerForm(seed: seed)
        random = SplitMix64(seed: seed)
    }

    /// The used part of the account's limits.
    package struct Usage: Equatable, Sendable {
        package let limits: RateLimits
        /// Requests in the current rate-limit minute.
        package let requests: Int
        package let updates: Int
        /// Jobs that are queued or running.
        package let jobs: Int
        package let maximumJobs: Int
    }

    package mutating func usage(now: Double) -> Usage {
        runJobs(now: now)
        return Usage(
            limits: limits,
            requests: requestWindow.used(now: now),
            updates: updateWindow.used(now: now),
            jobs: jobs.count { !$0.isOver },
            maximumJobs: jobBehavior.maximum
        )
    }

    /// Answers a request.
    ///
    /// - Parameter now: seconds since 1970.
    package mutating func respond(to request: Request, now: Double) -> Response {
        runJobs(now: now)
        var response = admit(request, now: now) ?? route(request, now: now)
        let path = request.target.prefix { $0 != "?" && $0 != "." }.split(separator: "/").filter { Int($0) == nil }.dropFirst(2)
        answered["\(request.method) \(path.joined(separator: "/")) \(response.status)", default: 0] += 1
        response.headers["date"] = HTTPDate.text(seconds: Int64(now.rounded(.down)))
        response.headers["content-type"] = response.contentType
        response.headers["x-rate-limit"] = String(limits.requests)
        response.headers["x-rate-limit-remaining"] = String(max(0, limits.requests - requestWindow.count))
        let names =
            form.spellsLimitsAsIn2023
            ? ("rate-limit", "rate-limit-remaining", "rate-limit-reset")
            : ("ratelimit-limit", "ratelimit-remaining", "ratelimit-reset")
        response.headers[names.0] = String(limits.requests)
        response.headers[names.1] = String(max(0, limits.requests - requestWindow.count))
        response.headers[names.2] = String(requestWindow.resets(now: now))
        return response
    }

    private mutating func admit(_ request: Request, now: Double) -> Response? {
        if chance(faults.outage) { return outage }
        if request.target == "/oauth/tokens" { return mint(request, now: now) }
        guard isAuthorized(request, now: now) else { return Response(401, ["error": "Couldn't authenticate you"]) }
        guard requestWindow.take(limit: limits.requests, now: now) else {
            return limited(
                after: requestWindow.resets(now: now),
                [
                    "error": "APIRateLimitExceeded",
                    "description": "Number of allowed API requests per minute exceeded",
                ]
            )
        }
        if chance(faults.tooManyRequests) {
            return limited(
                after: 1,
                ["error": "APIRateLimitExceeded", "description": "Number of allowed API requests per minute exceeded"]
            )
        }
        return nil
    }

    mutating func chance(_ probability: Double) -> Bool {
        probability > 0 && Double.random(in: 0..<1, using: &random) < probability
    }

    private var outage: Response {
        var response = Response(503, text: "Service Unavailable")
        response.headers["retry-after"] = "2"
        return response
    }

    func limited(after seconds: Int, _ body: JSON) -> Response {
        var response = Response(429, body)
        response.headers["retry-after"] = String(seconds)
        return response
    }

    private mutating func route(_ request: Request, now: Double) -> Response {
        let url = URLComponents(string: request.target)
        let query = Dictionary(url?.queryItems?.map { ($0.name, $0.value ?? "") } ?? [], uniquingKeysWith: { _, last in last })
        var path = (url?.path ?? "").split(separator: "/").map(String.init)
        if let last = path.last, last.hasSuffix(".json") { path[path.count - 1] = String(last.dropLast(5)) }
        guard path.starts(with: ["api", "v2"]) else { return unknown(request) }
        switch (request.method, path.dropFirst(2).first, path.dropFirst(3).first, path.count) {
        case ("GET", "search", nil, _): return search(query, now: now)
        case ("GET", "search", "export", 4): return searchExport(query, now: now)
        case ("GET", "tickets", nil, _): return ticketList(query)
        case ("GET", "tickets", "show_many", 4): return showMany(query)
        case ("GET", "tickets", let id?, 4): return withTicket(id) { .init(200, ["ticket": $0.json(fields, form)]) }
        case ("GET", "tickets", let id?, 5) where path[4] == "audits": return audits(of: id, query)
        case ("PUT", "tickets", _, 4) where !user.mayUpdateTickets: return forbidden
        case ("PUT", "tickets", "update_many", 4): return updateMany(query, request.body, now: now)
        case ("PUT", "tickets", let id?, 4): return update(Int(id) ?? 0, request.body, now: now)
        case ("GET", "ticket_fields", let id?, 4):
            guard let field = fields.first(where: { String($0.id) == id }) else { return notFound }
            return .init(200, ["ticket_field": field.json])
        case ("GET", "job_statuses", "show_many", 4): return jobStatuses(query, now: now)
        case ("GET", "job_statuses", let id?, 4): return jobStatus(id, now: now)
        case ("GET", "views", let id?, 5) where path[4] == "tickets": return tickets(ofView: id, query)
        default: return administer(request.method, path.dropFirst(2), query, request.body) ?? unknown(request)
        }
    }

    let notFound = Response(404, ["error": "RecordNotFound", "description": "Not found"])

    private mutating func unknown(_ request: Request) -> Response {
        unknownRequests.append("\(request.method) \(request.target)")
        return Response(404, ["error": "InvalidEndpoint", "description": "Not found"])
    }

    private func withTicket(_ id: String, _ answer: (SimulatedTicket) -> Response) -> Response {
        Int(id).flatMap { tickets[$0] }.map { hidden($0.id) ?? answer($0) } ?? notFound
    }

    /// The answer for a ticket that the token's owner may not see; nil if it may be seen.
    func hidden(_ id: Int) -> Response? {
        guard let ticket = tickets[id], hiddenBrands.contains(ticket.brand) else { return nil }
        return form.hiddenStatus == 403 ? forbidden : notFound
    }
}

extension SimulatedZendesk {
    /// Adds a ticket, or replaces the one with its ID.
    package mutating func put(_ ticket: SimulatedTicket, now: Double) {
        tickets[ticket.id] = ticket
        index.add(ticket, visibleAt: now + Double.random(in: searchLag, using: &random))
    }

    /// Edits a ticket as a person does in Zendesk's own pages: without safe update or API limits.
    package mutating func edit(_ id: Int, now: Double, _ change: (inout SimulatedTicket) -> Void) {
        runJobs(now: now)
        guard let before = tickets[id] else { return }
        var ticket = before
        change(&ticket)
        ticket.noteChanges(since: before, at: now)
        ticket.updatedAt = max(now, ticket.updatedAt)
        put(ticket, now: now)
        announceChanges(of: ticket, since: before, now: now)
    }

    /// - Parameter keepsIndex: whether search still finds the ticket for a while.
    package mutating func delete(_ id: Int, keepsIndex: Bool = false) {
        tickets[id] = nil
        if !keepsIndex { index.remove(id) }
    }
}
