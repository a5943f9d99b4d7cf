/// The combined effect of several changes of one booking on one ticket.
///
/// Applies the rules to the changes, oldest first. Each change sees the ticket as the previous one
/// would leave it. Only the end result is written: k changes cost one update.
struct BatchPlan: Equatable {
    /// The outcome of each change once the write is done.
    private(set) var outcomes: [Outcome] = []
    /// The write for the end result; nil if the ticket already shows it.
    private(set) var write: Write?
    /// Indexes of the changes whose decision assumes that the write succeeds.
    private var dependent: Set<Int> = []

    struct Write: Equatable {
        /// The version to write to the version field.
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
    ///   - excluded: the outcomes, by index, of changes that must not be written.
    init(_ ticket: TicketState, _ changes: [BookingChange], excluded: [Int: Outcome] = [:], keepsVersions: Bool, rule: Rule) {
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
                if case .write = decision { state.tag = change.to?.tag }
                let version = change.kept
                state.kept = version
                write = Write(version: version, tag: state.tag, writesTag: state.tag != ticket.tag, change: index)
            }
        }
    }

    /// Whether the ticket, before the write, has the change's version or a newer one. The rules
    /// alone would miss that if a version that can be ordered with neither lies between the two.
    private func isStale(_ change: BookingChange, on ticket: TicketState, as state: TicketState) -> Bool {
        guard let kept = ticket.kept, kept != state.kept else { return false }
        let order = kept.version.order(to: change.version)
        return order == .same || order == .newer
    }

    /// Whether the change's outcome depends on the write. If the write fails, a second copy of the
    /// change is not stale after all.
    func depends(onWrite index: Int) -> Bool { dependent.contains(index) }
}
