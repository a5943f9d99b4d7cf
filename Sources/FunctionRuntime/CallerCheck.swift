public import HTTPTypes

/// Decides who may invoke the function, by a request's head alone: it is asked before the body is
/// read.
public protocol CallerCheck: Sendable {
    /// Returns if the caller may go on.
    ///
    /// - Throws: ``CallerRejection``.
    func check(_ request: HTTPRequest) async throws(CallerRejection)
}

/// Why a caller may not go on. The reasons are logged and sent back: without secrets.
///
/// These three are all there are: HTTP has no other answer to a caller.
public enum CallerRejection: Error, Equatable, Sendable {
    /// Nothing proves who the caller is; answered 401.
    case unauthenticated(_ reason: String)
    /// The caller is known, and not one who may; answered 403.
    case forbidden(_ reason: String)
    /// It cannot be told now who the caller is; answered 503.
    case unavailable(after: Duration? = nil, _ reason: String)
}
