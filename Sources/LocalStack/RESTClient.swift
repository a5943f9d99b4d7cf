import AsyncHTTPClient
import FoundationEssentials
import NIOCore
import NIOFoundationEssentialsCompat
import NIOHTTP1
import ZendeskSimulator

/// JSON calls to a Google emulator, without authentication.
struct RESTClient: Sendable {
    let client: HTTPClient
    /// Up to and including the version: `http://127.0.0.1:9020/v1`.
    let baseURL: String

    /// An answer with a status other than 200.
    struct Failure: Error, CustomStringConvertible {
        var status: Int
        var description: String
    }

    func call(_ method: HTTPMethod, _ path: String, _ body: JSON? = nil) async throws -> JSON {
        let response = try await client.execute(request(method, path, body), timeout: .seconds(60))
        let data = Data(buffer: try await response.body.collect(upTo: 64 << 20))
        guard response.status == .ok else { throw Self.failure(response.status, data) }
        return try JSONDecoder().decode(JSON.self, from: data)
    }

    /// Creates something that may already exist.
    func create(_ method: HTTPMethod, _ path: String, _ body: JSON) async throws {
        do {
            _ = try await call(method, path, body)
        } catch let failure as Failure where failure.status == 409 {}
    }

    /// Reads the lines of a streamed answer until either side ends it.
    func forEachLine(_ path: String, _ body: JSON, _ line: (Data) throws -> Void) async throws {
        let response = try await client.execute(request(.POST, path, body), deadline: .distantFuture)
        guard response.status == .ok else {
            throw Self.failure(response.status, Data(buffer: try await response.body.collect(upTo: 1 << 20)))
        }
        var rest = ByteBuffer()
        for try await part in response.body {
            rest.writeImmutableBuffer(part)
            while let length = rest.readableBytesView.firstIndex(of: UInt8(ascii: "\n")).map({ $0 - rest.readerIndex }) {
                try line(rest.readData(length: length) ?? Data())
                rest.moveReaderIndex(forwardBy: 1)
            }
            rest.discardReadBytes()
        }
        if rest.readableBytes > 0 { try line(Data(buffer: rest)) }
    }

    private func request(_ method: HTTPMethod, _ path: String, _ body: JSON?) -> HTTPClientRequest {
        var request = HTTPClientRequest(url: baseURL + path)
        request.method = method
        if let body {
            request.headers.add(name: "content-type", value: "application/json")
            request.body = .bytes(ByteBuffer(data: body.data))
        }
        return request
    }

    private static func failure(_ status: HTTPResponseStatus, _ body: Data) -> Failure {
        let json = try? JSONDecoder().decode(JSON.self, from: body)
        let message = json?["message"]?.string ?? json?["error"]?["message"]?.string ?? String(decoding: body.prefix(300), as: UTF8.self)
        return Failure(status: Int(status.code), description: "\(status.code): \(message)")
    }
}
