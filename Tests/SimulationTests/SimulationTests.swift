import Simulation
import Testing

@Suite("Deterministic simulation")
struct SimulationTests {
    @Test("100 histories end right")
    func histories() async {
        let tally = await Campaign().run(seeds: 1...100, stopsAtFirst: false)
        #expect(tally.failures.isEmpty, "\(tally.report(command: "bookingstatus-simulation"))")
        print(tally.report(command: "bookingstatus-simulation"))
    }

    @Test("one seed plays the same history in every run")
    func deterministic() async {
        var lines = 0
        for seed in UInt64(1)...20 {
            let runs = await onThreadThatGivesWay { (1...2).map { _ in Verdict.ofHistory(seed: seed, traces: true).trace } }
            #expect(runs[0] == runs[1])
            lines += runs[0].count
        }
        #expect(lines > 1000)
    }

    /// Those that a few histories detect. The simulation's own command plays all of them.
    private static let quickMutants: [Mutant] = [
        .noSafeUpdate, .noWaiting, .rowSevenWithoutConditions, .noExactComparison, .emptySearchBelieved, .ticketInTwoJobs,
        .dryRunWrites,
    ]

    @Test("a deliberate mistake is detected", arguments: quickMutants)
    func mutants(mutant: Mutant) async {
        let tally = await Campaign(mutant: mutant).run(seeds: 1...UInt64(Mutant.seeds), stopsAtFirst: true)
        #expect(!tally.failures.isEmpty)
    }

    @Test("without a version field, histories that end wrong are counted, not hidden")
    func noVersions() async {
        let tally = await Campaign(keepsVersions: false).run(seeds: 1...100, stopsAtFirst: false)
        print("without a version field: \(tally.failures.count) of \(tally.histories) histories have a violation")
        for kind in tally.kinds { print("  \(kind.count) x \(kind.kind)") }
        #expect(!tally.failures.isEmpty)
    }
}
