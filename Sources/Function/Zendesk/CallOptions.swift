package import Support

/// How to make a call: how urgent it is, until when its answer is of use, and whether the budget
/// has already admitted it.
package struct CallOptions: Sendable {
    package var priority: CallPriority
    package var deadline: Deadline
    /// Further calls with the same options wait for their turn.
    package var admitted: AdmittedCall?

    package init(_ priority: CallPriority, before deadline: Deadline, admitted: AdmittedCall? = nil) {
        self.priority = priority
        self.deadline = deadline
        self.admitted = admitted
    }

    /// A call of normal priority.
    package static func before(_ deadline: Deadline) -> CallOptions { CallOptions(.normal, before: deadline) }

    /// Whether the call can wait this long for its turn.
    package func canWait(_ wait: Duration) -> Bool { CallGovernor.canWait(wait, priority, before: deadline) }
}
