/// Orders calls when places are scarce: by level, then by turn.
package struct CallPriority: Comparable, Sendable {
    package enum Level: Int, Comparable, Sendable {
        /// Leaves half of the places to others.
        case low
        case normal
        /// Completes work in progress.
        case high

        package static func < (left: Level, right: Level) -> Bool { left.rawValue < right.rawValue }
    }

    package let level: Level
    /// The number of requests that its caller has already made. A caller's first requests go before
    /// other callers' later ones.
    package let turn: Int

    package init(level: Level, turn: Int) {
        self.level = level
        self.turn = turn
    }

    package static let low = CallPriority(level: .low, turn: 0)
    package static let normal = CallPriority(level: .normal, turn: 0)
    package static let high = CallPriority(level: .high, turn: 0)

    package func turn(_ turn: Int) -> CallPriority { CallPriority(level: level, turn: turn) }

    package static func < (left: CallPriority, right: CallPriority) -> Bool { (left.level, right.turn) < (right.level, left.turn) }
}
