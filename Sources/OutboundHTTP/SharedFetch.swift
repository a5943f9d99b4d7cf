import Synchronization
package import Timing

/// What is fetched when it is needed, once for all who wait for it, and kept.
package final class SharedFetch<State: Sendable>: Sendable {
    private let state: Mutex<State>
    private let gate = AsyncLock()

    package init(_ state: State) { self.state = Mutex(state) }

    package func withState<Result: Sendable>(_ body: (inout State) -> Result) -> Result { state.withLock { body(&$0) } }

    /// What the state answers, or else what is fetched.
    ///
    /// - Parameters:
    ///   - deadline: bounds the wait for somebody else's fetch.
    ///   - late: thrown where that ends too late.
    ///   - answer: what the state answers now; nil if it has to be fetched first.
    ///   - fetch: fetches, and puts what came of it into the state; one at a time.
    package func value<Value: Sendable, Failure: Error>(
        before deadline: Deadline,
        late: @autoclosure () -> Failure,
        _ answer: (State) throws(Failure) -> Value?,
        fetch: () async throws(Failure) -> Value
    ) async throws(Failure) -> Value {
        // A copy, since a lock cannot hand on what a closure throws by its type.
        if let value = try answer(withState { $0 }) { return value }
        guard await gate.enter(before: deadline) else { throw late() }
        defer { gate.leave() }
        if let value = try answer(withState { $0 }) { return value }
        return try await fetch()
    }
}
