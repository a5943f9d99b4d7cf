package import FoundationEssentials

/// Sends one request to Zendesk and returns the whole answer.
package protocol ZendeskTransport: Sendable {
    /// - Parameter timeout: limits the whole call, from connecting to the last byte of the answer's
    ///   body.
    /// - Throws: ``TransportError`` if there is no answer.
    func send(_ request: ZendeskRequest, timeout: Duration) async throws(TransportError) -> ZendeskResponse
}

/// A request to Zendesk.
package struct ZendeskRequest: Equatable, Sendable {
    package enum Method: String, Sendable { case get = "GET", post = "POST", put = "PUT" }

    package var method: Method
    /// Path and query, percent-encoded, from `/api/` on.
    package var target: String
    /// Header fields besides those of the transport.
    package var headers: [(name: String, value: String)]
    package var body: Data?

    package init(_ method: Method, _ target: String, headers: [(name: String, value: String)] = [], body: Data? = nil) {
        self.method = method
        self.target = target
        self.headers = headers
        self.body = body
    }

    package static func == (left: ZendeskRequest, right: ZendeskRequest) -> Bool {
        left.method == right.method && left.target == right.target && left.body == right.body
            && left.headers.elementsEqual(right.headers, by: ==)
    }
}

/// Zendesk's answer.
package struct ZendeskResponse: Sendable {
    package var status: Int
    /// Names in lower case.
    package var headers: [String: String]
    package var body: Data

    package init(status: Int, headers: [String: String] = [:], body: Data = Data()) {
        self.status = status
        self.headers = headers
        self.body = body
    }
}

/// The reason for a missing answer.
package enum TransportError: Error, Equatable {
    /// The request cannot have reached Zendesk.
    case notSent(String)
    /// The request may have reached Zendesk and taken effect.
    case noAnswer(String)
    /// The task was cancelled. The request may have taken effect.
    case cancelled
}
