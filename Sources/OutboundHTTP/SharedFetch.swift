import Synchronization
package import Timing

/// What is fetched when it is needed, once for all who wait for it, and kept.
package final class SharedFetch<State: Sendable>: Sendable {
    private let state: Mutex<State>
    private let gate = Gate()

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

/// How long what was fetched may be used, by what its issuer says. No issuer can make us fetch it for each call, nor keep it for good.
package func usableTime(saidSeconds seconds: Double?, default defaultTime: Duration, in range: ClosedRange<Duration>) -> Duration {
    guard let seconds, !seconds.isNaN else { return defaultTime }
    let bounds = (range.lowerBound / .seconds(1))...(range.upperBound / .seconds(1))
    return .seconds(min(max(seconds, bounds.lowerBound), bounds.upperBound))
}

/// What an issuer calls an access token, if it can be one: a header takes it as it is, and cannot be ended by it.
///
/// Source: RFC 6750, section 2.1, for the characters; the length is what servers take in a header.
package func accessToken(_ text: String) -> String? {
    (1...8192).contains(text.utf8.count) && text.utf8.allSatisfy { (0x21...0x7e).contains($0) } ? text : nil
}
