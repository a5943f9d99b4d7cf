/// The two ways of failing that a function tells apart; see ``FunctionHandler`` for what follows
/// from each.
///
/// There will be no third: whatever else is thrown is a failure of the function itself.
public enum FunctionFailure: Error, Equatable {
    /// The event may succeed later.
    ///
    /// - Parameters:
    ///   - after: how long the cause is expected to last, if known.
    ///   - reason: what stood in the way, without secrets and without the event's payload: it is
    ///     logged and sent back.
    case tryAgain(after: Duration? = nil, _ reason: String)
    /// The event can never succeed as it is.
    ///
    /// - Parameter reason: what is wrong with it, without its payload: it is logged and sent back.
    case unprocessable(_ reason: String)
}

extension FunctionFailure: CustomStringConvertible {
    public var description: String {
        switch self {
        case .tryAgain(_, let reason), .unprocessable(let reason): reason
        }
    }
}
