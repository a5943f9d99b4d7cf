import Foundation
import Synchronization

/// Runs many seeds on a few threads.
package struct Campaign: Sendable {
    private let mutant: Mutant?
    private let keepsVersions: Bool
    private let threads: Int

    package init(mutant: Mutant? = nil, keepsVersions: Bool = true, threads: Int = 2) {
        self.mutant = mutant
        self.keepsVersions = keepsVersions
        self.threads = threads
    }

    package struct Failure: Sendable {
        package let seed: UInt64
        package let violation: String
    }

    package struct Tally: Sendable {
        package var histories = 0
        package var failures: [Failure] = []
        package var counts: [Fault: Int] = [:]
        package var knownLimits: [KnownLimit: Int] = [:]

        /// The kinds of violation, with the number of histories in which each came first.
        package var kinds: [(kind: String, count: Int)] {
            let kinds = Dictionary(grouping: failures) { failure in
                String(failure.violation.map { $0.isNumber ? "N" : $0 })
                    .replacing(/N+/, with: "N").replacing(/tag_\w+|nothing/, with: "…")
            }
            return kinds.map { ($0.key, $0.value.count) }.sorted { ($1.count, $0.kind) < ($0.count, $1.kind) }
        }

        private static let shown = 12

        /// Faults that never happened, so that their handling is untested.
        package var missing: [Fault] { Fault.allCases.filter { counts[$0] == nil } }

        package func report(command: String) -> String {
            var lines = ["\(histories) histories, \(failures.count) with a violation"]
            for failure in failures.sorted(by: { $0.seed < $1.seed }).prefix(Self.shown) {
                lines.append("  \(failure.violation)\n    replay: swift run -c release \(command) --seed \(failure.seed) --trace")
            }
            if failures.count > Self.shown { lines += kinds.prefix(12).map { "  \($0.count) x \($0.kind)" } }
            lines.append("what happened in them:")
            for fault in Fault.allCases { lines.append("  \(counts[fault] ?? 0) x \(fault.rawValue)") }
            lines.append("tickets that ended wrong by a known limit:")
            for limit in KnownLimit.allCases { lines.append("  \(knownLimits[limit] ?? 0) x \(limit.rawValue)") }
            return lines.joined(separator: "\n")
        }
    }

    /// - Parameter stopsAtFirst: whether to end after the first failed seed.
    package func run(seeds: ClosedRange<UInt64>, stopsAtFirst: Bool) async -> Tally {
        let progress = Progress(seeds)
        await withTaskGroup { group in
            for _ in 0..<threads {
                group.addTask { await onThreadThatGivesWay { play(progress, stopsAtFirst) } }
            }
        }
        return progress.tally.withLock { $0 }
    }

    private final class Progress: Sendable {
        private let next: Mutex<UInt64>
        private let last: UInt64
        let tally = Mutex(Tally())

        init(_ seeds: ClosedRange<UInt64>) {
            next = Mutex(seeds.lowerBound)
            last = seeds.upperBound
        }

        func nextSeed() -> UInt64? {
            next.withLock { next in
                guard next <= last else { return nil }
                defer { next += 1 }
                return next
            }
        }
    }

    private func play(_ progress: Progress, _ stopsAtFirst: Bool) {
        var own = Tally()
        while let seed = progress.nextSeed() {
            if stopsAtFirst, progress.tally.withLock({ !$0.failures.isEmpty }) { break }
            let verdict = Verdict.ofHistory(seed: seed, mutant: mutant, keepsVersions: keepsVersions)
            own.histories += 1
            own.counts.merge(verdict.counts, uniquingKeysWith: +)
            for limit in verdict.knownLimits { own.knownLimits[limit, default: 0] += 1 }
            if let violation = verdict.violations.first {
                let failure = Failure(seed: seed, violation: violation)
                progress.tally.withLock { $0.failures.append(failure) }
            }
        }
        progress.tally.withLock { tally in
            tally.histories += own.histories
            tally.counts.merge(own.counts, uniquingKeysWith: +)
            tally.knownLimits.merge(own.knownLimits, uniquingKeysWith: +)
        }
    }
}

/// Runs long work beside time-critical work, such as tests of servers. It uses its own thread,
/// since work on the shared ones would block all other tasks, and the machine's lowest priority.
package func onThreadThatGivesWay<Result: Sendable>(_ body: @escaping @Sendable () -> Result) async -> Result {
    await withCheckedContinuation { continuation in
        let thread = Thread {
            #if os(Linux)
            // Linux keeps a nice value for each thread.
            setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, 19)
            #endif
            continuation.resume(returning: body())
        }
        thread.stackSize = 8 << 20
        thread.start()
    }
}
