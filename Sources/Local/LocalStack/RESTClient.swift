import FoundationEssentials
import NIOCore
import NIOFoundationEssentialsCompat
import NIOHTTP1
import Support
import ZendeskSimulator

/// JSON calls to a Google emulator, without authentication.
struct RESTClient: Sendable {
    private let http: LoopbackHTTP

    /// - Parameter url: the emulator's address, up to and including the version:
    ///   `http://127.0.0.1:9020/v1`.
    init(_ url: String) { http = LoopbackHTTP(url) }

    /// An answer with a status other than 200.
    struct Failure: Error, CustomStringConvertible {
        var status: Int
        var description: String

        init(status: Int, description: String) {
            self.status = status
            self.description = description
        }

        init(status: Int, answer: Data) {
            let json = try? JSONDecoder().decode(JSON.self, from: answer)
            let message = json?["message"]?.string ?? json?["error"]?["message"]?.string
            self.init(status: status, description: "\(status): \(message ?? String(decoding: answer.prefix(300), as: UTF8.self))")
        }
    }

    func call(_ method: OutboundRequest.Method, _ path: String, _ body: JSON? = nil) async throws -> JSON {
        let answer = try await http.send(request(method, path, body), timeout: .seconds(60))
        guard answer.status == 200 else { throw Failure(status: answer.status, answer: answer.body) }
        return try JSONDecoder().decode(JSON.self, from: answer.body)
    }

    /// Creates something that may already exist.
    func create(_ method: OutboundRequest.Method, _ path: String, _ body: JSON) async throws {
        do {
            _ = try await call(method, path, body)
        } catch let failure as Failure where failure.status == 409 {}
    }

    /// Reads the lines of a streamed answer until either side ends it.
    func forEachLine(_ path: String, _ body: JSON, _ line: (Data) throws -> Void) async throws {
        var status = 0
        var rest = ByteBuffer()
        try await http.exchange(request(.post, path, body)) { part in
            switch part {
            case .head(let head): status = Int(head.status.code)
            case .body(let bytes):
                rest.writeImmutableBuffer(bytes)
                guard status == 200 else { return }
                while let length = rest.readableBytesView.firstIndex(of: UInt8(ascii: "\n")).map({ $0 - rest.readerIndex }) {
                    try line(rest.readData(length: length) ?? Data())
                    rest.moveReaderIndex(forwardBy: 1)
                }
                rest.discardReadBytes()
            case .end:
                guard status == 200 else { throw Failure(status: status, answer: Data(buffer: rest)) }
                if rest.readableBytes > 0 { try line(Data(buffer: rest)) }
            }
        }
    }

    private func request(_ method: OutboundRequest.Method, _ path: String, _ body: JSON?) -> OutboundRequest {
        OutboundRequest(method, path, headers: body == nil ? [] : [("content-type", "application/json")], body: body?.data)
    }
}
