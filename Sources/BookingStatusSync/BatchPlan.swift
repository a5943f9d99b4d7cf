import SpannerChangeStreams

/// Decides what one change does to one ticket: ``decide(_:_:keepsVersions:)``. Tests inject their
/// own.
package typealias Rule = @Sendable (_ ticket: TicketState, _ change: TagChange, _ keepsVersions: Bool) -> Decision

/// What several changes of one booking come to on one ticket.
///
/// The rules are applied to one change after the other, oldest first, each to the ticket as the one
/// before would leave it. Only what is left in the end is written: k changes cost one update.
struct BatchPlan: Equatable {
    /// What becomes of each change, once the write is done.
    private(set) var outcomes: [Outcome] = []
    /// What the ticket has to show in the end; nil if it does so already.
    private(set) var write: Write?
    /// Those decided upon a ticket as the write will leave it, and not as it is.
    private var dependent: Set<Int> = []

    struct Write: Equatable {
        /// Named in the version field.
        var version: KeptVersion
        /// What the status field shows after the write.
        var tag: String?
        /// False if the status field is left as it is.
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
            defer { if write != nil { dependent.insert(index) } }
            let decision = keepsVersions && isStale(change, on: ticket, as: state) ? .skip(.stale) : rule(state, change, keepsVersions)
            switch decision {
            case .skip(let outcome):
                outcomes.append(outcome)
            case .write(let outcome), .writeVersion(let outcome):
                if let earlier = write?.change { outcomes[earlier] = .superseded }
                outcomes.append(outcome)
                if case .write = decision { state.tag = change.to }
                let version = KeptVersion(bookingID: change.bookingID, version: change.version, tag: change.to)
                state.kept = version
                write = Write(version: version, tag: state.tag, writesTag: state.tag != ticket.tag, change: index)
            }
        }
    }

    /// Whether the ticket as it is has the change's version or a newer one. Between them may lie a
    /// version that can be ordered with neither, and then the rules alone would not see it.
    private func isStale(_ change: TagChange, on ticket: TicketState, as state: TicketState) -> Bool {
        guard let kept = ticket.kept, kept != state.kept else { return false }
        let order = kept.version.order(to: change.version)
        return order == .same || order == .newer
    }

    /// Whether the change's outcome comes true by the write alone: if that fails, a second copy of
    /// the change is not stale after all.
    func depends(onWrite index: Int) -> Bool { dependent.contains(index) }
}
