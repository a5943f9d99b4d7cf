package import AsyncHTTPClient
import FoundationEssentials
import NIOCore
import NIOFoundationEssentialsCompat
import NIOHTTP1
import NIOPosix
package import Support

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Calls a service with AsyncHTTPClient.
///
/// AsyncHTTPClient's own deadline ends with the response's head, so it is not used.
package struct HTTPTransport: OutboundTransport {
    private let client: HTTPClient
    private let origin: String
    private let time: TimeSource

    /// - Parameters:
    ///   - client: made with ``configuration``, so that it follows no redirects.
    ///   - origin: scheme and authority, `https://example.zendesk.com`.
    package init(_ client: HTTPClient, origin: String, time: TimeSource = .system) {
        self.client = client
        self.origin = origin.hasSuffix("/") ? String(origin.dropLast()) : origin
        self.time = time
    }

    /// The client's configuration. It disallows redirects, which would carry the request's token to
    /// their target.
    package static var configuration: HTTPClient.Configuration {
        var configuration = HTTPClient.Configuration(redirectConfiguration: .disallow)
        configuration.timeout.connect = .seconds(5)
        // Zendesk closes idle connections after a minute; using one that is about to be closed
        // costs a failed request.
        configuration.connectionPool.idleTimeout = .seconds(30)
        // The default of eight would delay events when a service is slow. The budgets limit the
        // calls instead.
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 64
        configuration.httpVersion = .http1Only
        return configuration
    }

    package func send(_ request: OutboundRequest, timeout: Duration) async throws(OutboundError) -> OutboundResponse {
        try await time.bounded(by: timeout) {
            var outgoing = HTTPClientRequest(url: origin + request.target)
            outgoing.method = HTTPMethod(rawValue: request.method.rawValue)
            for (name, value) in request.headers { outgoing.headers.add(name: name, value: value) }
            if let body = request.body { outgoing.body = .bytes(ByteBuffer(data: body)) }
            let response = try await client.execute(outgoing, deadline: .distantFuture)
            let body = try await response.body.collect(upTo: request.maximumAnswerBytes)
            var headers: [String: String] = [:]
            for (name, value) in response.headers { headers[name.lowercased()] = value }
            return OutboundResponse(status: Int(response.status.code), headers: headers, body: Data(buffer: body))
        } _: { error in
            OutboundError(error, request, origin)
        }
    }
}

extension OutboundError {
    fileprivate init(_ error: any Error, _ request: OutboundRequest, _ origin: String) {
        switch error {
        case let error as HTTPClientError where error == .cancelled: self = .cancelled
        case let error as HTTPClientError where error == .connectTimeout: self = .notSent("no connection in time (\(origin))")
        case is NIOTooManyBytesError: self = .noAnswer("the answer is longer than \(request.maximumAnswerBytes) bytes")
        case is NIOConnectionError: self = .notSent("there is no such host, or nobody listens there (\(origin))")
        case let error as IOError where error.errnoCode == ECONNREFUSED: self = .notSent("the connection was refused (\(origin))")
        case let error as IOError: self = .noAnswer(error.description)
        // The error's own text may quote the request.
        default: self = .noAnswer("the connection failed: \(type(of: error))")
        }
    }
}
