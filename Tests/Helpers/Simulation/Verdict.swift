/// How a history ended.
package struct Verdict: Sendable {
    package var violations: [String]
    package var knownLimits: [KnownLimit]
    package var counts: [Fault: Int]
    package var trace: [String]
}

/// The known limits of the rules. A ticket may end wrong for one of these reasons; it is counted.
package enum KnownLimit: String, CaseIterable, Sendable {
    case lateTicket = "a ticket that the booking's newest change could not find"
    case unversionedBeyondWindow = "a status from before our first write, and reordering beyond the window"
    case unversionedUnseen = "a status from before our first write, and an earlier change that could not find the ticket"
    case unversionedWithoutOldValues = "a status from before our first write, and a stream without old values"
    case versionByHand = "a version that a person cleared or garbled, and an older change after that"
    case hiddenField = "written within a minute after a field was hidden, which had been looked up before"
    case replacedInRace =
        "a person's status replaced between check and update, whose answer was lost, or not seen again by the instance that got it"
    case reversalWithinMillisecond = "two commits within a millisecond, cut to milliseconds"
    case sweptWithinMillisecond = "a change without old values within the millisecond of a sweep's reading, and no sweep since"
    case copiedUnfinished = "a follow-up ticket with fields copied from an update whose tag was dropped, before it was made good"
}

extension Verdict {
    /// Runs the history of a seed.
    ///
    /// - Parameters:
    ///   - mutant: a mistake to wrap around the product.
    ///   - keepsVersions: false to play without a version field.
    ///   - traces: whether the verdict includes a trace, line by line.
    package static func ofHistory(seed: UInt64, mutant: Mutant? = nil, keepsVersions: Bool = true, traces: Bool = false) -> Verdict {
        World(seed: seed, mutant: mutant, keepsVersions: keepsVersions, traces: traces).run()
    }
}
