/// Waits until the condition holds. Gives up after a minute, which is ample even on a busy machine.
package func eventually(_ what: @autoclosure () -> String, holds: () async throws -> Bool) async throws {
    let end = ContinuousClock.now + .seconds(60)
    while try await !holds() {
        guard ContinuousClock.now < end else { throw DidNotHappen(what: what()) }
        try await Task.sleep(for: .milliseconds(10))
    }
}

private struct DidNotHappen: Error { let what: String }
