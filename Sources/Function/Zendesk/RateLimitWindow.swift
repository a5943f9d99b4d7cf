/// A limit as a header states it.
package struct RateLimitWindow: Equatable, Sendable {
    package var total: Int
    package var remaining: Int?
    package var resets: Duration?

    /// The account's request limit. Reads any of the header names that have been in use.
    package static func account(_ headers: [String: String]) -> RateLimitWindow? {
        func number(_ names: String...) -> Int? { names.lazy.compactMap { headers[$0].flatMap { Int($0) } }.first }
        guard let total = number("ratelimit-limit", "x-rate-limit", "rate-limit"), total > 0 else { return nil }
        return RateLimitWindow(
            total: total,
            remaining: number("ratelimit-remaining", "x-rate-limit-remaining", "rate-limit-remaining"),
            resets: number("ratelimit-reset", "rate-limit-reset").map { .seconds($0) }
        )
    }

    /// The account's limit for ticket updates: `total=100; remaining=99; resets=59`.
    package static func ticketUpdates(_ headers: [String: String]) -> RateLimitWindow? {
        guard let text = headers["zendesk-ratelimit-tickets-update"] ?? headers["zendesk-rate-limit-tickets-update"] else { return nil }
        var numbers: [Substring: Int] = [:]
        for part in text.split(separator: ";") {
            let pair = part.split(separator: "=")
            if pair.count == 2 { numbers[pair[0].drop { $0 == " " }] = Int(pair[1].filter { $0 != " " }) }
        }
        guard let total = numbers["total"], total > 0 else { return nil }
        return RateLimitWindow(total: total, remaining: numbers["remaining"], resets: numbers["resets"].map { .seconds($0) })
    }
}
