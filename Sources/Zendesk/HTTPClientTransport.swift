public import AsyncHTTPClient
import FoundationEssentials
import NIOCore
import NIOFoundationEssentialsCompat
import NIOHTTP1
import NIOPosix

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Sends requests with AsyncHTTPClient.
public struct HTTPClientTransport: ZendeskTransport {
    private let client: HTTPClient
    private let baseURL: String

    /// The longest answer that is read, in bytes; a hundred tickets of the largest size stay well below it.
    private static let maximumBodyBytes = 32 << 20

    /// - Parameters:
    ///   - client: made with ``configuration``, so that it follows no redirects.
    ///   - baseURL: scheme and authority, `https://example.zendesk.com`.
    public init(client: HTTPClient, baseURL: String) {
        self.client = client
        self.baseURL = baseURL.hasSuffix("/") ? String(baseURL.dropLast()) : baseURL
    }

    /// A redirect would carry the token to wherever it points, and the API answers none.
    public static var configuration: HTTPClient.Configuration {
        var configuration = HTTPClient.Configuration(redirectConfiguration: .disallow)
        configuration.timeout.connect = .seconds(5)
        // Zendesk closes idle connections after a minute; using one that is about to be closed costs a failed request.
        configuration.connectionPool.idleTimeout = .seconds(30)
        // Eight, the client's default, would hold events back where Zendesk takes its time: the budgets are what limits the calls.
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 64
        configuration.httpVersion = .http1Only
        return configuration
    }

    public func send(_ request: ZendeskRequest, timeout: Duration) async throws(TransportError) -> ZendeskResponse {
        var outgoing = HTTPClientRequest(url: baseURL + request.target)
        outgoing.method = HTTPMethod(rawValue: request.method.rawValue)
        for (name, value) in request.headers { outgoing.headers.add(name: name, value: value) }
        if let body = request.body { outgoing.body = .bytes(ByteBuffer(data: body)) }
        do {
            return try await withTimeout(timeout) { [client, outgoing] in
                let response = try await client.execute(outgoing, deadline: .now() + TimeAmount(timeout))
                let body = try await response.body.collect(upTo: Self.maximumBodyBytes)
                var headers: [String: String] = [:]
                for (name, value) in response.headers { headers[name.lowercased()] = value }
                return ZendeskResponse(status: Int(response.status.code), headers: headers, body: Data(buffer: body))
            }
        } catch {
            throw TransportError(error)
        }
    }
}

extension TransportError {
    fileprivate init(_ error: any Error) {
        switch error {
        case is CancellationError: self = .cancelled
        case is TimedOut: self = .noAnswer("no answer in time")
        case let error as HTTPClientError where error == .cancelled: self = .cancelled
        case let error as HTTPClientError where error == .connectTimeout: self = .notSent("no connection in time")
        case let error as HTTPClientError where error == .deadlineExceeded: self = .noAnswer("no answer in time")
        case is NIOTooManyBytesError: self = .noAnswer("the answer is longer than 32 MiB")
        case is NIOConnectionError: self = .notSent("there is no such host, or nobody listens there")
        case let error as IOError where error.errnoCode == ECONNREFUSED: self = .notSent("the connection was refused")
        case let error as IOError: self = .noAnswer(error.description)
        default: self = .noAnswer("the connection failed: \(type(of: error))")
        }
    }
}

private struct TimedOut: Error {}

/// Runs the operation, and cancels it once the time is over.
private func withTimeout<Result: Sendable>(
    _ timeout: Duration,
    _ operation: @escaping @Sendable () async throws -> Result
) async throws -> Result {
    try await withThrowingTaskGroup(of: Result?.self) { group in
        group.addTask { try await operation() }
        group.addTask {
            try await Task.sleep(for: timeout)
            return nil
        }
        defer { group.cancelAll() }
        guard let result = try await group.next()! else { throw TimedOut() }
        return result
    }
}
