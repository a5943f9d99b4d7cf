package import FoundationEssentials

/// Sends requests to one service and returns whole answers.
package protocol OutboundTransport: Sendable {
    /// - Parameter timeout: limits the whole call, from connecting to the last byte of the answer's
    ///   body.
    /// - Throws: ``OutboundError`` if there is no answer.
    func send(_ request: OutboundRequest, timeout: Duration) async throws(OutboundError) -> OutboundResponse
}

/// A request to a service.
package struct OutboundRequest: Equatable, Sendable {
    package enum Method: String, Sendable { case get = "GET", post = "POST", put = "PUT", patch = "PATCH", delete = "DELETE" }

    package var method: Method
    /// Path and query, percent-encoded, from the first slash on.
    package var target: String
    /// Header fields besides those of the transport.
    package var headers: [(name: String, value: String)]
    package var body: Data?
    /// The limit for the answer's body. A hundred tickets of the largest size stay well below the
    /// default.
    package var maximumAnswerBytes = 32 << 20

    package init(_ method: Method, _ target: String, headers: [(name: String, value: String)] = [], body: Data? = nil) {
        self.method = method
        self.target = target
        self.headers = headers
        self.body = body
    }

    package static func == (left: OutboundRequest, right: OutboundRequest) -> Bool {
        left.method == right.method && left.target == right.target && left.body == right.body
            && left.headers.elementsEqual(right.headers, by: ==)
    }
}

/// A service's answer.
package struct OutboundResponse: Sendable {
    package var status: Int
    /// By lowercase name. Of repeated fields, the last one.
    package var headers: [String: String]
    package var body: Data

    package init(status: Int, headers: [String: String] = [:], body: Data = Data()) {
        self.status = status
        self.headers = headers
        self.body = body
    }
}

/// The reason for a missing answer. The texts quote neither the request nor the answer.
package enum OutboundError: Error, Equatable, CustomStringConvertible {
    /// The request cannot have reached the service.
    case notSent(String)
    /// The request may have reached the service and taken effect.
    case noAnswer(String)
    /// The task was cancelled. The request may have taken effect.
    case cancelled

    package var description: String {
        switch self {
        case .notSent(let reason), .noAnswer(let reason): reason
        case .cancelled: "the call was cancelled"
        }
    }
}

extension TimeSource {
    /// Sends a request within a time limit, for an ``OutboundTransport``.
    ///
    /// - Parameters:
    ///   - exchange: sends the request and reads the whole answer.
    ///   - mapping: translates an error of the exchange.
    package func bounded(
        by timeout: Duration,
        _ exchange: @escaping @Sendable () async throws -> OutboundResponse,
        _ mapping: (any Error) -> OutboundError
    ) async throws(OutboundError) -> OutboundResponse {
        guard timeout > .zero else { throw .notSent("no time is left for it") }
        let response: OutboundResponse?
        do {
            response = try await run(for: timeout, exchange)
        } catch {
            throw error as? OutboundError ?? (error is CancellationError ? .cancelled : mapping(error))
        }
        guard let response else { throw .noAnswer("no answer in time") }
        return response
    }
}
