import SpannerChangeStreams

/// How one change lies to one ticket: the rules, or what a test puts in their place.
package typealias Rule = @Sendable (_ ticket: TicketState, _ change: TagChange, _ keepsVersions: Bool) -> Decision

/// What several changes of one booking come to on one ticket.
///
/// The rules are applied to one change after the other, oldest first, each to the ticket as the one before would leave it. Only what is
/// left in the end is written: k changes cost one update.
struct BatchPlan: Equatable {
    /// What becomes of each change, once the write is done.
    private(set) var outcomes: [Outcome] = []
    /// What the ticket has to show in the end; nil if it does so already.
    private(set) var write: Write?
    /// Those decided upon a ticket as the write will leave it, and not as it is.
    private var dependent: Set<Int> = []

    struct Write: Equatable {
        var version: KeptVersion
        /// False if the tag is right already.
        var writesTag: Bool
        /// The change that is written.
        var change: Int
    }

    /// - Parameters:
    ///   - changes: of one booking, oldest first.
    ///   - excluded: changes that must not be written; their outcomes are given.
    init(_ ticket: TicketState, _ changes: [TagChange], excluded: [Int: Outcome] = [:], keepsVersions: Bool, rule: Rule) {
        var state = ticket
        for (index, change) in changes.enumerated() {
            if let outcome = excluded[index] {
                outcomes.append(outcome)
                continue
            }
            let version = KeptVersion(bookingID: change.bookingID, version: change.version, tag: change.to)
            defer { if write != nil { dependent.insert(index) } }
            switch rule(state, change, keepsVersions) {
            case .skip(let outcome):
                outcomes.append(outcome)
            case .write(let outcome):
                if let earlier = write?.change { outcomes[earlier] = .superseded }
                outcomes.append(outcome)
                state.tag = change.to
                state.kept = version
                write = Write(version: version, writesTag: state.tag != ticket.tag, change: index)
            case .writeVersion:
                if let earlier = write?.change { outcomes[earlier] = .superseded }
                outcomes.append(.unchanged)
                state.kept = version
                write = Write(version: version, writesTag: state.tag != ticket.tag, change: index)
            }
        }
    }

    /// Whether the change's outcome comes true by the write alone: if that fails, a second copy of the change is not stale after all.
    func depends(onWrite index: Int) -> Bool { dependent.contains(index) }
}
