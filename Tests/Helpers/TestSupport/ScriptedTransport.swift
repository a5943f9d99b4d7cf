package import Support

/// A transport whose answers a test makes up.
package struct ScriptedTransport: OutboundTransport {
    private let answer: @Sendable (OutboundRequest) throws(OutboundError) -> OutboundResponse

    package init(_ answer: @escaping @Sendable (OutboundRequest) throws(OutboundError) -> OutboundResponse) { self.answer = answer }

    package func send(_ request: OutboundRequest, timeout: Duration) async throws(OutboundError) -> OutboundResponse {
        try answer(request)
    }
}
