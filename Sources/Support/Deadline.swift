/// A point in time by which work must end.
package struct Deadline: Sendable {
    private let moment: Duration
    private let time: TimeSource

    package init(after duration: Duration, _ time: TimeSource) {
        moment = time.now() + duration
        self.time = time
    }

    /// The time left; negative once the deadline has passed.
    package var remaining: Duration { moment - time.now() }

    func sleep() async throws { try await time.sleep(max(remaining, .zero)) }
}
