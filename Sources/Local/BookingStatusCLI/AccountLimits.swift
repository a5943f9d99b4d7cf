import ArgumentParser
import ZendeskSimulator

/// What the simulated account allows, as options: Zendesk's own limits where they are not given.
struct AccountLimits: ParsableArguments {
    @Option(help: "The simulated account's requests a minute.")
    var requestsPerMinute = RateLimits().requests

    @Option(help: "The simulated account's ticket updates a minute.")
    var updatesPerMinute = RateLimits().ticketUpdates

    @Option(help: "The maximum number of updates of one ticket in ten minutes.")
    var updatesPerTicket = RateLimits().updatesOfOneTicket

    func validate() throws {
        guard requestsPerMinute > 1, updatesPerMinute > 1, updatesPerTicket > 1 else {
            throw ValidationError("a limit has to be 2 or more")
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
