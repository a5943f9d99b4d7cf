package import AsyncHTTPClient
package import FoundationEssentials
import NIOCore
import NIOFoundationEssentialsCompat
import NIOHTTP1
import NIOPosix
package import Timing

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Calls other services. One timeout covers connection, head and body, and the body's length is
/// limited.
///
/// AsyncHTTPClient's own deadline ends with the response's head, so it is not used.
package struct OutboundHTTP: Sendable {
    /// Sends a request and reads at most `maximumBytes` of the answer's body.
    package typealias Exchange = @Sendable (HTTPClientRequest, _ maximumBytes: Int) async throws -> Answer

    private let exchange: Exchange
    private let time: TimeSource

    /// - Parameter client: made with ``configuration``, so that it follows no redirects.
    package init(_ client: HTTPClient, time: TimeSource = .system) {
        self.init(time: time) { request, maximumBytes in
            let response = try await client.execute(request, deadline: .distantFuture)
            let body = try await response.body.collect(upTo: maximumBytes)
            var headers: [String: String] = [:]
            for (name, value) in response.headers { headers[name.lowercased()] = value }
            return Answer(status: Int(response.status.code), headers: headers, body: Data(buffer: body))
        }
    }

    /// - Parameter exchange: replaces the client.
    package init(time: TimeSource = .system, exchange: @escaping Exchange) {
        self.exchange = exchange
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

    package struct Answer: Sendable {
        package var status: Int
        /// By lowercase name. Of repeated fields, the last one.
        package var headers: [String: String]
        package var body: Data

        package init(status: Int, headers: [String: String] = [:], body: Data) {
            self.status = status
            self.headers = headers
            self.body = body
        }
    }

    /// Why a call failed. The texts quote neither the request nor the answer.
    package enum Failure: Error, Equatable, CustomStringConvertible {
        /// The request cannot have reached the service.
        case notSent(String)
        /// The request may have reached the service and may have had its effect.
        case noAnswer(String)
        /// The task was canceled; the request may have had its effect.
        case cancelled

        package var description: String {
            switch self {
            case .notSent(let reason), .noAnswer(let reason): reason
            case .cancelled: "the call was cancelled"
            }
        }
    }

    /// Sends a request and reads the whole answer.
    ///
    /// - Parameters:
    ///   - timeout: the limit for the whole call.
    ///   - maximumBytes: the limit for the answer's body.
    package func send(_ request: HTTPClientRequest, within timeout: Duration, maximumBytes: Int) async throws(Failure) -> Answer {
        guard timeout > .zero else { throw .notSent("no time is left for it") }
        do {
            return try await withThrowingTaskGroup(of: Answer?.self) { group in
                group.addTask { [exchange] in try await exchange(request, maximumBytes) }
                group.addTask { [time] in
                    try await time.sleep(timeout)
                    return nil
                }
                defer { group.cancelAll() }
                guard let answer = try await group.next()! else { throw Failure.noAnswer("no answer in time") }
                return answer
            }
        } catch {
            throw Failure(error, maximumBytes)
        }
    }
}

extension OutboundHTTP.Failure {
    fileprivate init(_ error: any Error, _ maximumBytes: Int) {
        switch error {
        case let failure as Self: self = failure
        case is CancellationError: self = .cancelled
        case let error as HTTPClientError where error == .cancelled: self = .cancelled
        case let error as HTTPClientError where error == .connectTimeout: self = .notSent("no connection in time")
        case is NIOTooManyBytesError: self = .noAnswer("the answer is longer than \(maximumBytes) bytes")
        case is NIOConnectionError: self = .notSent("there is no such host, or nobody listens there")
        case let error as IOError where error.errnoCode == ECONNREFUSED: self = .notSent("the connection was refused")
        case let error as IOError: self = .noAnswer(error.description)
        // The error's own text may quote the request.
        default: self = .noAnswer("the connection failed: \(type(of: error))")
        }
    }
}
