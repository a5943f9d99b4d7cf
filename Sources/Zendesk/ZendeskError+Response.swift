import FoundationEssentials
package import Support

extension ZendeskError {
    /// Classifies an unsuccessful answer.
    ///
    /// Sources: Zendesk API reference, "Rate limits", "Requests", "Tickets"; the wording of real
    /// answers varies, so the status decides, and the body only where one status has several
    /// meanings.
    package init(_ response: OutboundResponse, to request: OutboundRequest) {
        let problem = Problem(response)
        let retryAfter = response.headers["retry-after"].flatMap { Int($0) }
            .map { min(Duration.seconds(max(1, $0)), RateBudget.maximumBlock) }
        let status = response.status
        let what = problem.summary
        switch status {
        // Matched by name, because its status is not documented. It does not limit other calls.
        case _ where problem.code == "TooManyJobs":
            self.init(.tooManyJobs, status: status, retryAfter: retryAfter, "Zendesk has as many jobs as it takes (\(status)\(what))")
        case 401:
            self.init(.misconfigured, status: status, "Zendesk does not accept the access token (401\(what)): check the credentials")
        case 403:
            self.init(.misconfigured, status: status, "Zendesk forbids this to the token's owner (403\(what)): check its role and scopes")
        case 404 where problem.code == "RecordNotFound" && request.isForOneTicket:
            self.init(.notFound, status: status, "Zendesk does not know the ticket (404\(what))")
        case 404 where problem.code != nil:
            // A field, a view or the path itself is missing. Acknowledging that would lose every
            // change.
            let path = request.target.prefix { $0 != "?" }
            self.init(.misconfigured, status: status, "Zendesk does not know \(path) (404\(what)): check the URL and the fields' ids")
        case 404:
            let advice = "check the URL if it stays so"
            self.init(.unavailable, status: status, retryAfter: retryAfter, "something before Zendesk answered 404: \(advice)")
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

    static func unreadable(_ response: OutboundResponse, to request: OutboundRequest) -> ZendeskError {
        ZendeskError(
            request.method == .get ? .unavailable : .outcomeUnknown,
            status: response.status,
            "Zendesk answered \(response.status) with a body that is not what its API describes"
        )
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
    /// The members of `details`: the fields at fault.
    var fields: [String] = []
    var text: String

    init(_ response: OutboundResponse) {
        text = String(decoding: response.body.prefix(4096), as: UTF8.self)
        guard let body = try? JSONDecoder().decode(Body.self, from: response.body) else { return }
        code = body.code.flatMap { Self.isName($0) ? $0 : nil }
        fields = body.fields.filter(Self.isName).sorted()
    }

    /// Passes on only names. An error's text may quote the request, which can contain a secret.
    private static func isName(_ text: String) -> Bool {
        (1...40).contains(text.utf8.count)
            && text.utf8.allSatisfy { (0x41...0x5a).contains($0) || (0x61...0x7a).contains($0) || $0 == 0x5f }
    }

    /// `, RecordInvalid: status`, or nothing.
    var summary: String {
        guard let code else { return "" }
        return ", \(code)" + (fields.isEmpty ? "" : ": \(fields.prefix(5).joined(separator: ", "))")
    }

    var saysPerTicket: Bool { text.contains("Rate limit for ticket updates") }

    private struct Body: Decodable {
        var code: String?
        var fields: [String] = []

        private enum Key: CodingKey { case error, details }
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
            fields = (try? container.nestedContainer(keyedBy: AnyKey.self, forKey: .details).allKeys.map(\.stringValue)) ?? []
        }
    }
}
