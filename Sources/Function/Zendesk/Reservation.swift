/// A place in a budget that is kept until nothing refers to this object.
package final class Reservation: Sendable {
    private let release: @Sendable () -> Void

    init(release: @escaping @Sendable () -> Void) { self.release = release }

    deinit { release() }
}
