package import AsyncHTTPClient
import FoundationEssentials
import NIOCore
import NIOFoundationEssentialsCompat
import NIOHTTP1
import OutboundHTTP

/// Sends requests with AsyncHTTPClient.
package struct HTTPClientTransport: ZendeskTransport {
    private let http: OutboundHTTP
    private let baseURL: String

    /// Maximum size of an answer, in bytes. A hundred tickets of the largest size stay well below
    /// it.
    private static let maximumBodyBytes = 32 << 20

    /// - Parameters:
    ///   - client: made with `OutboundHTTP.configuration`, so that it follows no redirects.
    ///   - baseURL: scheme and authority, `https://example.zendesk.com`.
    package init(client: HTTPClient, baseURL: String) {
        http = OutboundHTTP(client)
        self.baseURL = baseURL.hasSuffix("/") ? String(baseURL.dropLast()) : baseURL
    }

    package func send(_ request: ZendeskRequest, timeout: Duration) async throws(TransportError) -> ZendeskResponse {
        var outgoing = HTTPClientRequest(url: baseURL + request.target)
        outgoing.method = HTTPMethod(rawValue: request.method.rawValue)
        for (name, value) in request.headers { outgoing.headers.add(name: name, value: value) }
        if let body = request.body { outgoing.body = .bytes(ByteBuffer(data: body)) }
        do throws(OutboundHTTP.Failure) {
            let answer = try await http.send(outgoing, within: timeout, maximumBytes: Self.maximumBodyBytes)
            return ZendeskResponse(status: answer.status, headers: answer.headers, body: answer.body)
        } catch {
            switch error {
            case .notSent(let reason): throw .notSent("\(reason) (\(baseURL))")
            case .noAnswer(let reason): throw .noAnswer(reason)
            case .cancelled: throw .cancelled
            }
        }
    }
}
