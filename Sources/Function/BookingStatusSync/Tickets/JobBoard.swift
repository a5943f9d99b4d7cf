import Zendesk

/// Decides, without I/O, whether jobs can be trusted and which tickets they may take.
///
/// Jobs are trusted once this instance has seen that they honor stamps. A proof job has two items
/// that change nothing: the one with a stale stamp must fail, and the other must succeed. A second
/// proof job swaps the two, because a ticket may fail for other reasons. The items name no fields,
/// so they overwrite nothing, even if stamps are ignored and the job runs minutes late. A job that
/// does not end, or cannot be read, disables jobs for 1, 2, 4 … minutes.
struct JobBoard {
    enum Trust { case unknown, proven, refuted }

    /// Jobs at once. Zendesk allows thirty for the whole account.
    private let maximumJobs: Int
    private(set) var trust = Trust.unknown
    private var isDraining = false
    private(set) var running = (live: 0, swept: 0)
    /// Tickets that wait for a job, and whether they are in it.
    private var held: [Int: Bool] = [:]
    /// Tickets of abandoned jobs that may still run, and the time until which no other job takes
    /// them.
    private var abandoned: [Int: Duration] = [:]
    private var closedUntil = Duration.zero
    private var failures = 0

    /// How long an abandoned job may still run.
    private static let afterlife = Duration.seconds(3600)

    init(maximumJobs: Int) { self.maximumJobs = maximumJobs }

    /// Whether jobs are available, as far as is known.
    func isOpen(_ now: Duration) -> Bool { maximumJobs > 0 && trust != .refuted && !isDraining && now >= closedUntil }

    /// How many jobs may run for live changes, or for sweeps, which have one place. The first one
    /// runs alone, because it begins with the proof.
    func places(isSwept: Bool) -> Int {
        guard trust == .proven else { return running.live + running.swept == 0 ? 1 : 0 }
        return isSwept ? (running.live < maximumJobs ? 1 : 0) : maximumJobs - running.swept
    }

    /// Starts no more jobs.
    mutating func drain() { isDraining = true }

    /// Holds a ticket for a job.
    ///
    /// - Returns: false if no job may take it.
    mutating func hold(_ ticket: Int, _ now: Duration) -> Bool {
        guard isOpen(now) else { return false }
        if let until = abandoned[ticket] {
            guard until <= now else { return false }
            abandoned[ticket] = nil
        }
        guard held[ticket] == nil else { return false }
        held[ticket] = false
        return true
    }

    /// Lets go of a ticket that no longer waits, unless it is in a job.
    mutating func letGo(_ ticket: Int) { if held[ticket] == false { held[ticket] = nil } }

    mutating func began(_ tickets: [Int], isSwept: Bool) {
        for ticket in tickets { held[ticket] = true }
        if isSwept { running.swept += 1 } else { running.live += 1 }
    }

    mutating func ended(_ tickets: [Int], isSwept: Bool) {
        for ticket in tickets { held[ticket] = nil }
        if isSwept { running.swept -= 1 } else { running.live -= 1 }
    }

    /// Records that a job has run.
    mutating func succeeded() { failures = 0 }

    /// Records that a job could not be started, or did not end.
    ///
    /// - Parameter tickets: those whose job may still run unseen.
    mutating func failed(_ tickets: [Int], _ now: Duration) {
        for ticket in tickets { abandoned[ticket] = now + Self.afterlife }
        closedUntil = now + .seconds(60) * (1 << min(failures, 5))
        failures += 1
    }

    /// Judges the proof jobs.
    ///
    /// - Parameter proofs: each with the ticket that had a stale stamp, and the one with its own.
    mutating func judge(_ proofs: [(stale: Int, own: Int, status: JobStatus)], _ now: Duration) {
        let succeeded = proofs.map { proof in
            [proof.stale, proof.own].map { ticket in proof.status.results.contains { $0.id == ticket && $0.hasSucceeded } }
        }
        if succeeded.contains([true, true]) {
            trust = .refuted
        } else if succeeded.allSatisfy({ $0 == [false, true] }), proofs.allSatisfy({ $0.status.results.count == 2 }) {
            (trust, failures) = (.proven, 0)
        } else {
            failed([], now)
        }
    }
}
