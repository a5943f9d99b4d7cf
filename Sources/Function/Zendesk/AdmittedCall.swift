import Synchronization

/// The right to make one call now. A call that is not made costs nothing.
package final class AdmittedCall: Sendable {
    private let isOpen = Mutex(true)
    private let end: @Sendable (_ wasMade: Bool) -> Void

    init(end: @escaping @Sendable (_ wasMade: Bool) -> Void) { self.end = end }

    /// Takes the right.
    ///
    /// - Returns: what to call after the call; nil if the right was used before.
    func take() -> (@Sendable () -> Void)? {
        let isFirst = isOpen.withLock { isOpen in
            defer { isOpen = false }
            return isOpen
        }
        return isFirst ? { @Sendable in self.end(true) } : nil
    }

    deinit { if isOpen.withLock({ $0 }) { end(false) } }
}
