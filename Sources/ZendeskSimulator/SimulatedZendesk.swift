package import FoundationEssentials
import Timestamps

/// A Zendesk account in memory: a request goes in, the answer comes out, and nothing else happens. Time and chance are given.
///
/// It is written from Zendesk's documentation and from recorded answers, and shares no type with the client that it tests.
///
/// Sources: Zendesk API reference, "Search", "Tickets", "Rate limits"; real answers in the issue trackers of zendesk_api_client_rb and
/// zendesk_api_client_php.
package struct SimulatedZendesk: Sendable {
    package internal(set) var tickets: [Int: SimulatedTicket] = [:]
    package var fields: [TicketField]
    /// A token that never expires; nil, where there are no clients either, takes any.
    package var accessToken: String?
    /// The OAuth clients, which mint tokens for themselves.
    package var clients: [Client] = []
    /// What a minted token lasts where the request does not say, in seconds.
    package var tokenLifetime = 1800.0
    package var limits = RateLimits()
    /// How long the search index lags behind, in seconds: each change takes a random time from this range.
    package var searchLag: ClosedRange<Double> = 0...0
    /// Whom every token acts as.
    package var user = User()
    package internal(set) var views: [View] = []
    /// Triggers and ticket forms, as Zendesk's JSON has them.
    package var triggers: [JSON] = []
    package var ticketForms: [JSON] = []
    /// What was asked that the simulator does not know, for whoever relies on it.
    package internal(set) var unknownRequests: [String] = []

    var index = SearchIndex()
    private var requestWindow = RateWindow(length: 60)
    var updateWindow = RateWindow(length: 60)
    var ticketWindows: [Int: RateWindow] = [:]
    var random: SplitMix64
    var mintedTokens: [String: Double] = [:]

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

        init(_ status: Int, _ json: JSON) {
            self.status = status
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
        random = SplitMix64(seed: seed)
    }

    /// Answers a request.
    ///
    /// - Parameter now: seconds since 1970.
    package mutating func respond(to request: Request, now: Double) -> Response {
        var response = admit(request, now: now) ?? route(request, now: now)
        response.headers["date"] = HTTPDate.text(seconds: Int64(now.rounded(.down)))
        response.headers["content-type"] = response.contentType
        response.headers["x-rate-limit"] = String(limits.requests)
        response.headers["x-rate-limit-remaining"] = String(max(0, limits.requests - requestWindow.count))
        response.headers["ratelimit-limit"] = String(limits.requests)
        response.headers["ratelimit-remaining"] = String(max(0, limits.requests - requestWindow.count))
        response.headers["ratelimit-reset"] = String(requestWindow.resets(now: now))
        return response
    }

    private mutating func admit(_ request: Request, now: Double) -> Response? {
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
        return nil
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
        case ("GET", "tickets", "show_many", 4): return showMany(query)
        case ("GET", "tickets", let id?, 4): return withTicket(id) { .init(200, ["ticket": $0.json(fields)]) }
        case ("PUT", "tickets", _, 4) where !user.mayUpdateTickets: return forbidden
        case ("PUT", "tickets", let id?, 4): return update(Int(id) ?? 0, request.body, now: now)
        case ("GET", "ticket_fields", let id?, 4):
            guard let field = fields.first(where: { String($0.id) == id }) else { return notFound }
            return .init(200, ["ticket_field": field.json])
        default: return administer(request.method, path.dropFirst(2), request.body) ?? unknown(request)
        }
    }

    let notFound = Response(404, ["error": "RecordNotFound", "description": "Not found"])

    private mutating func unknown(_ request: Request) -> Response {
        unknownRequests.append("\(request.method) \(request.target)")
        return Response(404, ["error": "InvalidEndpoint", "description": "Not found"])
    }

    private func withTicket(_ id: String, _ answer: (SimulatedTicket) -> Response) -> Response {
        Int(id).flatMap { tickets[$0] }.map(answer) ?? notFound
    }
}

extension SimulatedZendesk {
    /// Adds a ticket, or puts it in the place of the one with its id.
    package mutating func put(_ ticket: SimulatedTicket, now: Double) {
        tickets[ticket.id] = ticket
        index.add(ticket, visibleAt: now + Double.random(in: searchLag, using: &random))
    }

    /// Does to a ticket what a person does in Zendesk's own pages: no safe update, no limit of the API.
    package mutating func edit(_ id: Int, now: Double, _ change: (inout SimulatedTicket) -> Void) {
        guard var ticket = tickets[id] else { return }
        change(&ticket)
        ticket.updatedAt = max(now, ticket.updatedAt)
        put(ticket, now: now)
    }

    package mutating func delete(_ id: Int) {
        tickets[id] = nil
        index.remove(id)
    }
}
