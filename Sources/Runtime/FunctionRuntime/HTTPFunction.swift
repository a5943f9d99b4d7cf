public import FoundationEssentials
public import HTTPTypes

/// A serverless function that answers HTTP requests: one method, called once for each request.
///
/// It gets requests of every method and path, except the host's own paths. Its duties are those of
/// a ``FunctionHandler``, and so are the answers if it throws: 503 for
/// ``FunctionFailure/tryAgain(after:_:)``, 422 for ``FunctionFailure/unprocessable(_:)`` and 500 for
/// anything else, each with a JSON body.
public protocol HTTPFunction: HostedLifecycle {
    /// Answers one request.
    ///
    /// - Parameters:
    ///   - request: the request's head.
    ///   - body: the whole body; empty if there is none.
    ///   - context: its ``FunctionContext/eventID`` is the execution's id, because a request has no
    ///     id of its own.
    func respond(to request: HTTPRequest, body: Data, context: FunctionContext) async throws -> FunctionResponse
}
