/// A failure that a function reports on purpose. ``FunctionHandler`` lists the consequences of each
/// case.
///
/// No case will be added: any other error is a failure of the function itself.
public enum FunctionFailure: Error, Equatable {
    /// The event may succeed later.
    ///
    /// - Parameters:
    ///   - after: how long the cause is expected to last, if known.
    ///   - reason: why the event failed. It is logged and sent back, so it must hold neither
    ///     secrets nor the event's payload.
    case tryAgain(after: Duration? = nil, _ reason: String)
    /// The event can never succeed as it is.
    ///
    /// - Parameter reason: what is wrong with the event. It is logged and sent back, so it must not
    ///   hold the payload.
    case unprocessable(_ reason: String)
}

extension FunctionFailure: CustomStringConvertible {
    public var description: String {
        switch self {
        case .tryAgain(_, let reason), .unprocessable(let reason): reason
        }
    }
}
