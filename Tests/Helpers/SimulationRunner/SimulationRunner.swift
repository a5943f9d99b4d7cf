import ArgumentParser
import Foundation
import Simulation
import Synchronization

@main
struct SimulationRunner: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bookingstatus-simulation",
        abstract: "Play histories of the whole system in virtual time, each from a seed, and look for what must not happen.",
        discussion: """
            Without options: a thousand seeds, then every mutant. A seed that fails prints the command that replays it.

            Examples:
              bookingstatus-simulation --seeds 100000
              bookingstatus-simulation --seed 4711 --trace
              bookingstatus-simulation --mutant no-safe-update
            """
    )

    @Option(help: "How many seeds to play.")
    var seeds: UInt64 = 1000

    @Option(help: "Play this seed alone.")
    var seed: UInt64?

    @Option(help: "Put this mistake around the product: \(Mutant.allCases.map(\.rawValue).joined(separator: ", ")).")
    var mutant: Mutant?

    @Flag(help: "Play without a version field; the known weaknesses of that are counted.")
    var withoutVersions = false

    @Flag(help: "Tell what happens, line by line.")
    var trace = false

    @Option(help: "How many threads to use.")
    var threads = ProcessInfo.processInfo.activeProcessorCount

    func run() async throws {
        if let seed {
            let verdict = Verdict.ofHistory(seed: seed, mutant: mutant, keepsVersions: !withoutVersions, traces: trace)
            verdict.trace.forEach { print($0) }
            verdict.violations.forEach { print("violation: \($0)") }
            verdict.knownLimits.forEach { print("known limit: \($0.rawValue)") }
            guard verdict.violations.isEmpty else { throw ExitCode.failure }
            print("seed \(seed): nothing wrong")
            return
        }
        let begin = ContinuousClock.now
        let tally = await Campaign(mutant: mutant, keepsVersions: !withoutVersions, threads: threads)
            .run(seeds: 1...seeds, stopsAtFirst: false)
        print(tally.report(command: "bookingstatus-simulation"))
        print("took \(ContinuousClock.now - begin)")
        if withoutVersions { return }
        if mutant != nil {
            guard !tally.failures.isEmpty else { throw ExitCode.failure }
            return
        }
        var isRight = tally.failures.isEmpty && tally.missing.isEmpty
        print("\nmutants, each to be noticed within \(Mutant.seeds) seeds:")
        for mutant in Mutant.allCases {
            let tally = await Campaign(mutant: mutant, keepsVersions: true, threads: threads)
                .run(seeds: 1...UInt64(Mutant.seeds), stopsAtFirst: true)
            let first = tally.failures.min { $0.seed < $1.seed }
            print("  \(mutant.rawValue): \(first.map { "seed \($0.seed): \($0.violation)" } ?? "NOT NOTICED")")
            if first == nil { isRight = false }
        }
        guard isRight else { throw ExitCode.failure }
    }
}

extension Mutant: ExpressibleByArgument {}
