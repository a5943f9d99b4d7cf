import ArgumentParser
import ZendeskSimulator

/// Options for the undocumented behavior of searches and jobs. The defaults are what most accounts
/// were seen to do.
struct AccountBehavior: ParsableArguments {
    @Option(help: "Which of several terms for one field must match: any, all, first or last.")
    var repeatedTerms = SearchBehavior.RepeatedTerms.any

    @Option(help: "The maximum number of terms for one field; more are ignored.")
    var maximumTerms: Int?

    @Option(help: "The maximum length of a query, in characters; longer ones are refused.")
    var maximumQueryLength: Int?

    @Flag(help: "Jobs ignore the stamps of their items.")
    var jobsIgnoreStamps = false

    @Option(help: "The share of jobs that start minutes late, from 0 to 1.")
    var stalledJobs = 0.0

    @Option(help: "The share of jobs whose status cannot be read.")
    var vanishedJobs = 0.0

    @Option(help: "The share of jobs that fail as a whole.")
    var failedJobs = 0.0

    @Option(help: "The share of jobs that are refused with TooManyJobs.")
    var refusedJobs = 0.0

    func validate() throws {
        guard [stalledJobs, vanishedJobs, failedJobs, refusedJobs].allSatisfy({ (0...1).contains($0) }) else {
            throw ValidationError("a share must be between 0 and 1")
        }
    }

    func apply(to account: inout SimulatedZendesk) {
        account.searchBehavior.repeatedTerms = repeatedTerms
        account.searchBehavior.maximumTerms = maximumTerms
        account.searchBehavior.maximumQueryLength = maximumQueryLength
        account.jobBehavior.honorsStamps = !jobsIgnoreStamps
        account.faults.stalledJobs = stalledJobs
        account.faults.vanishedJobs = vanishedJobs
        account.faults.failedJobs = failedJobs
        account.faults.tooManyJobs = refusedJobs
    }
}

extension SearchBehavior.RepeatedTerms: ExpressibleByArgument {}
