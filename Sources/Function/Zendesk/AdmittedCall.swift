import Synchronization

/// Permission to make one call now. It costs nothing if it is not used.
package final class AdmittedCall: Sendable {
    private let isOpen = Mutex(true)
    private let end: @Sendable (_ wasMade: Bool) -> Void

    init(end: @escaping @Sendable (_ wasMade: Bool) -> Void) { self.end = end }

    /// Uses the permission.
    ///
    /// - Returns: a closure to run when the call has ended; nil if the permission was used before.
    func take() -> (@Sendable () -> Void)? {
        let isFirst = isOpen.withLock { isOpen in
            defer { isOpen = false }
            return isOpen
        }
        return isFirst ? { @Sendable in self.end(true) } : nil
    }

    deinit { if isOpen.withLock({ $0 }) { end(false) } }
}
