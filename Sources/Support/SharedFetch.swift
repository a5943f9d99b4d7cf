import Synchronization

/// Fetches a value on demand, once for all waiting callers, and keeps it.
package final class SharedFetch<State: Sendable>: Sendable {
    private let state: Mutex<State>
    private let gate = AsyncSemaphore()

    package init(_ state: State) { self.state = Mutex(state) }

    package func withState<Result: Sendable>(_ body: (inout State) -> Result) -> Result { state.withLock { body(&$0) } }

    /// The value in the state, or else a fetched one.
    ///
    /// - Parameters:
    ///   - deadline: the limit for waiting for another caller's fetch.
    ///   - late: thrown if that fetch ends too late.
    ///   - answer: reads the value from the state; nil if it has to be fetched first.
    ///   - fetch: fetches the value and stores the outcome in the state. One fetch runs at a time.
    package func value<Value: Sendable, Failure: Error>(
        before deadline: Deadline,
        late: @autoclosure () -> Failure,
        _ answer: (State) throws(Failure) -> Value?,
        fetch: () async throws(Failure) -> Value
    ) async throws(Failure) -> Value {
        // Copies the state, since a lock cannot rethrow a closure's typed error.
        if let value = try answer(withState { $0 }) { return value }
        guard await gate.enter(before: deadline) else { throw late() }
        defer { gate.leave() }
        if let value = try answer(withState { $0 }) { return value }
        return try await fetch()
    }
}
