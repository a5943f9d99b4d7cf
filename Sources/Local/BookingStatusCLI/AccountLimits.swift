import ArgumentParser
import ZendeskSimulator

/// Options for the simulated account's limits. The defaults are Zendesk's own.
struct AccountLimits: ParsableArguments {
    @Option(help: "The simulated account's requests per minute.")
    var requestsPerMinute = RateLimits().requests

    @Option(help: "The simulated account's ticket updates per minute.")
    var updatesPerMinute = RateLimits().ticketUpdates

    @Option(help: "The maximum number of updates per ticket in ten minutes.")
    var updatesPerTicket = RateLimits().updatesOfOneTicket

    func validate() throws {
        guard requestsPerMinute > 1, updatesPerMinute > 1, updatesPerTicket > 1 else {
            throw ValidationError("a limit must be 2 or more")
        }
    }

    var limits: RateLimits {
        var limits = RateLimits()
        limits.requests = requestsPerMinute
        limits.ticketUpdates = updatesPerMinute
        limits.updatesOfOneTicket = updatesPerTicket
        return limits
    }
}
