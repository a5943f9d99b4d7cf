public import HTTPTypes

/// Decides from a request's head who may invoke the function. Runs before the body is read.
public protocol CallerCheck: Sendable {
    /// Returns if the caller may invoke the function.
    ///
    /// - Throws: ``CallerRejection``.
    func check(_ request: HTTPRequest) async throws(CallerRejection)
}

/// Why a caller was rejected. Reasons are logged and sent back, so they must hold no secrets.
///
/// No case will be added: HTTP has no other answer to a caller.
public enum CallerRejection: Error, Equatable, Sendable {
    /// The caller is not authenticated; answered 401.
    case unauthenticated(_ reason: String)
    /// The caller is authenticated but not allowed; answered 403.
    case forbidden(_ reason: String)
    /// The caller cannot be authenticated right now; answered 503.
    case unavailable(after: Duration? = nil, _ reason: String)
}
