import FoundationEssentials
package import Support

extension ZendeskError {
    /// Classifies an unsuccessful answer.
    ///
    /// The body shows who answered. A 4xx without Zendesk's error object comes from something in
    /// front of Zendesk, and says nothing about the request. The exceptions are 401, 409, 423 and
    /// 429, for which Zendesk's own answer may be plain text.
    ///
    /// Sources: Zendesk API reference, "Rate limits", "Requests", "Tickets";
    /// blakmatrix/node-zendesk#236 (Cloudflare's 403 for a day),
    /// cloudbees-oss/zendesk-java-client#341 (a passing 400).
    package init(_ response: OutboundResponse, to request: OutboundRequest) {
        let problem = Problem(response)
        let retryAfter = response.retryAfter
        let status = response.status
        let what = problem.summary
        switch status {
        // Matched by name, because its status is not documented. It does not limit other calls.
        case _ where problem.code == "TooManyJobs":
            self.init(.tooManyJobs, status: status, retryAfter: retryAfter, "Zendesk's limit of jobs is reached (\(status)\(what))")
        // Its status is not documented either.
        case _ where problem.code == "unavailable":
            self.init(.unavailable, status: status, retryAfter: retryAfter, "Zendesk is not available (\(status)\(what))")
        case 400..<500 where !problem.isZendesks && ![401, 409, 423, 429].contains(status):
            self.init(
                .unavailable,
                status: status,
                retryAfter: retryAfter,
                "something in front of Zendesk answered \(status) (\(problem.type)): "
                    + "if this persists, check the URL, and the firewalls and proxies on the way"
            )
        case 401:
            self.init(.misconfigured, status: status, "Zendesk does not accept the access token (401\(what)): check the credentials")
        case 403:
            self.init(.misconfigured, status: status, "Zendesk forbids this to the token's owner (403\(what)): check its role and scopes")
        case 404 where problem.code == "RecordNotFound" && request.isForOneTicket:
            self.init(.notFound, status: status, "Zendesk does not know the ticket (404\(what))")
        case 404:
            // A field, a view or the path itself is missing. Acknowledging that would lose every
            // change.
            let path = request.target.prefix { $0 != "?" }
            self.init(.misconfigured, status: status, "Zendesk does not know \(path) (404\(what)): check the URL and the fields' ids")
        case 409:
            self.init(.conflict, status: status, retryAfter: retryAfter, "the ticket was changed meanwhile (409\(what))")
        case 429:
            // A limit without a Retry-After is a limit per minute.
            self.init(
                .limited(Limit(response, problem)),
                status: status,
                retryAfter: retryAfter ?? .seconds(60),
                "a rate limit of Zendesk is used up (429\(what))"
            )
        case 423, 503:
            self.init(.unavailable, status: status, retryAfter: retryAfter, "Zendesk is not available (\(status)\(what))")
        case 500...:
            // It is unknown how far a failed update got.
            self.init(
                request.method == .get ? .unavailable : .outcomeUnknown,
                status: status,
                retryAfter: retryAfter,
                "Zendesk failed (\(status)\(what))"
            )
        case 300..<400:
            self.init(.misconfigured, status: status, "Zendesk answered with a redirect (\(status)): check the base URL")
        default:
            self.init(.rejected, status: status, "Zendesk rejects the request (\(status)\(what))")
        }
    }

    init(_ error: OutboundError, to request: OutboundRequest) {
        switch error {
        case .notSent(let reason): self.init(.unavailable, "Zendesk cannot be reached: \(reason)")
        case .noAnswer(let reason):
            self.init(request.method == .get ? .unavailable : .outcomeUnknown, "Zendesk gave no answer: \(reason)")
        case .cancelled: self.init(.cancelled, "the call was cancelled")
        }
    }

    /// Classifies the token endpoint's refusal.
    ///
    /// Sources: RFC 6749, section 5.2; Zendesk's announcement 11093380955674 of August 2026, which
    /// lets a client have allowed scopes.
    init(mint response: OutboundResponse, scopes: String) {
        let problem = Problem(response)
        guard problem.isZendesks, [400, 401, 403].contains(response.status) else {
            self.init(response, to: OutboundRequest(.get, "/oauth/tokens"))
            return
        }
        let advice =
            switch problem.code {
            case "invalid_scope": "allow the OAuth client the scopes \(scopes) in Admin Center"
            case "invalid_client": "check the OAuth client's id and secret"
            default: "check the OAuth client"
            }
        self.init(
            .misconfigured,
            status: response.status,
            retryAfter: response.retryAfter,
            "Zendesk issued no access token (\(response.status)\(problem.summary)): \(advice)"
        )
    }

    static func unreadable(_ response: OutboundResponse, to request: OutboundRequest) -> ZendeskError {
        ZendeskError(
            request.method == .get ? .unavailable : .outcomeUnknown,
            status: response.status,
            "Zendesk answered \(response.status) with a body that is not what its API describes"
        )
    }
}

extension OutboundResponse {
    /// How long to wait, from seconds or from a date.
    ///
    /// Source: RFC 9110, section 10.2.3.
    fileprivate var retryAfter: Duration? {
        guard let text = headers["retry-after"] else { return nil }
        let now = headers["date"].flatMap { HTTPDate.seconds($0) } ?? Int64(Date().timeIntervalSince1970)
        guard let seconds = Int64(text) ?? HTTPDate.seconds(text).map({ $0 - now }) else { return nil }
        return .seconds(min(max(1, seconds), RateBudget.maximumBlock.components.seconds))
    }
}

extension OutboundRequest {
    /// Whether the path names one ticket, so that a missing record means that ticket.
    fileprivate var isForOneTicket: Bool {
        let prefix = "/api/v2/tickets/", suffix = ".json"
        let path = target.prefix { $0 != "?" }
        guard path.hasPrefix(prefix), path.hasSuffix(suffix) else { return false }
        let id = path.dropFirst(prefix.count).dropLast(suffix.count)
        return !id.isEmpty && id.allSatisfy(\.isNumber)
    }
}

extension ZendeskError.Limit {
    /// Identifies the limit by the header with nothing remaining. If no header names it, it is the
    /// account's.
    fileprivate init(_ response: OutboundResponse, _ problem: Problem) {
        let headers = response.headers
        func isUsedUp(_ name: String) -> Bool { headers[name]?.contains("remaining=0") ?? false }
        if problem.saysPerTicket || isUsedUp("zendesk-ratelimit-per-ticket-updates") {
            self = .ticket
        } else if isUsedUp("zendesk-ratelimit-tickets-update") || isUsedUp("zendesk-rate-limit-tickets-update") {
            self = .ticketUpdates
        } else if isUsedUp("zendesk-ratelimit-search-index") {
            self = .search
        } else {
            self = .account
        }
    }
}

/// The body of an unsuccessful answer: JSON in one of several shapes, plain text, HTML or nothing.
private struct Problem {
    /// Zendesk's own code, such as `RecordInvalid`.
    var code: String?
    /// Whether the body is an error object of Zendesk's.
    var isZendesks = false
    /// The members of `details`: the fields at fault.
    var fields: [String] = []
    /// The ids of the ticket fields at fault.
    var ticketFields: [Int] = []
    var text: String
    /// The media type, for a message.
    var type: String

    init(_ response: OutboundResponse) {
        text = String(decoding: response.body.prefix(4096), as: UTF8.self)
        let named = (response.headers["content-type"] ?? "").prefix { $0 != ";" }.lowercased()
        let isPlain = named.utf8.count < 40 && named.utf8.allSatisfy { (0x61...0x7a).contains($0) || "/+-.".utf8.contains($0) }
        type = response.body.isEmpty ? "no body" : named.isEmpty || !isPlain ? "no content type" : named
        guard let body = try? JSONDecoder().decode(Body.self, from: response.body) else { return }
        code = body.code.flatMap { Self.isName($0) ? $0 : nil }
        isZendesks = body.isError
        fields = body.fields.filter(Self.isName).sorted()
        ticketFields = body.ticketFields
    }

    /// Passes on only names. An error's text may quote the request, which can contain a secret.
    private static func isName(_ text: String) -> Bool {
        (1...40).contains(text.utf8.count)
            && text.utf8.allSatisfy { (0x41...0x5a).contains($0) || (0x61...0x7a).contains($0) || $0 == 0x5f }
    }

    /// `, RecordInvalid: status`, or nothing.
    var summary: String {
        guard let code else { return "" }
        let parts = fields.prefix(5) + ticketFields.prefix(5).map { "ticket field \($0)" }
        return ", \(code)" + (parts.isEmpty ? "" : ": \(parts.joined(separator: ", "))")
    }

    var saysPerTicket: Bool { text.contains("Rate limit for ticket updates") }

    private struct Body: Decodable {
        var code: String?
        var isError: Bool
        var fields: [String] = []
        var ticketFields: [Int] = []

        private enum Key: CodingKey { case error, errors, details }
        /// The description is in the account's language: facetoe/zenpy#114.
        private struct Detail: Decodable { let ticket_field_id: Int? }
        private struct Titled: Decodable { let title: String }
        private struct AnyKey: CodingKey {
            let stringValue: String
            var intValue: Int? { nil }
            init(stringValue: String) { self.stringValue = stringValue }
            init?(intValue: Int) { nil }
        }

        init(from decoder: any Decoder) throws {
            let container = try decoder.container(keyedBy: Key.self)
            code = (try? container.decode(String.self, forKey: .error)) ?? (try? container.decode(Titled.self, forKey: .error).title)
            isError = container.contains(.error) || container.contains(.errors)
            let details = (try? container.decode([String: [Detail]].self, forKey: .details)) ?? [:]
            ticketFields = Set(details.values.joined().compactMap(\.ticket_field_id)).sorted()
            fields = (try? container.nestedContainer(keyedBy: AnyKey.self, forKey: .details).allKeys.map(\.stringValue)) ?? []
        }
    }
}
