import FoundationEssentials
import NIOCore
import NIOFoundationEssentialsCompat
import NIOHTTP1
import NIOPosix
package import Support
import Synchronization

/// A small HTTP/1.1 client for local work. It calls loopback addresses only.
///
/// It has no TLS, whose library would take half of a first build. It reuses connections, follows no
/// redirects, and uses no proxy.
package final class LoopbackHTTP: OutboundTransport {
    private let url: String
    /// Nil if the URL is not one of a loopback address.
    private let address: Address?
    private let idle = Mutex<[(connection: any Channel, since: ContinuousClock.Instant)]>([])

    /// How long a connection may have been idle. The servers of local work keep theirs longer.
    private static let idleTime = Duration.seconds(10)

    /// - Parameter url: `http://`, a loopback address, a port, and optionally a path, which the
    ///   targets of requests are appended to.
    package init(_ url: String) {
        self.url = url
        address = Address(url)
    }

    deinit {
        idle.withLock { for (connection, _) in $0 { connection.close(promise: nil) } }
    }

    /// Whether this client can call the URL.
    package static func takes(_ url: String) -> Bool { Address(url) != nil }

    package func send(_ request: OutboundRequest, timeout: Duration) async throws(OutboundError) -> OutboundResponse {
        try await TimeSource.system.bounded(by: timeout) {
            var response = OutboundResponse(status: 0)
            try await self.exchange(request) { part in
                switch part {
                case .head(let head):
                    response.status = Int(head.status.code)
                    for (name, value) in head.headers { response.headers[name.lowercased()] = value }
                case .body(let bytes):
                    guard response.body.count + bytes.readableBytes <= request.maximumAnswerBytes else {
                        throw OutboundError.noAnswer("the answer is longer than \(request.maximumAnswerBytes) bytes")
                    }
                    response.body.append(contentsOf: bytes.readableBytesView)
                case .end: break
                }
            }
            return response
        } _: { _ in
            .noAnswer("the connection failed (\(self.url))")
        }
    }

    /// Sends a request and passes the parts of the answer on as they arrive.
    func exchange(_ request: OutboundRequest, _ receive: (HTTPClientResponsePart) throws -> Void) async throws {
        let connection = try await connect()
        let (parts, sink) = AsyncThrowingStream.makeStream(of: HTTPClientResponsePart.self)
        connection.writeAndFlush(Call(head: head(request), body: request.body.map { ByteBuffer(data: $0) }, answer: sink))
            .whenFailure { sink.finish(throwing: $0) }
        var (isKeptAlive, isOver) = (false, false)
        defer {
            if isOver && isKeptAlive {
                idle.withLock { $0.append((connection, .now)) }
            } else {
                connection.close(promise: nil)
            }
        }
        for try await part in parts {
            switch part {
            case .head(let head): isKeptAlive = head.isKeepAlive
            case .body: break
            case .end: isOver = true
            }
            try receive(part)
        }
        // A cancelled task sees the stream end.
        try Task.checkCancellation()
    }

    private func head(_ request: OutboundRequest) -> HTTPRequestHead {
        let path = (address?.path ?? "") + request.target
        var head = HTTPRequestHead(
            version: .http1_1,
            method: HTTPMethod(rawValue: request.method.rawValue),
            uri: path.hasPrefix("/") ? path : "/\(path)"
        )
        head.headers.add(name: "host", value: address?.authority ?? "")
        for (name, value) in request.headers { head.headers.add(name: name, value: value) }
        if request.method != .get { head.headers.add(name: "content-length", value: "\(request.body?.count ?? 0)") }
        return head
    }

    private func connect() async throws(OutboundError) -> any Channel {
        guard let address else {
            throw .notSent("\(url) is not an http URL of a loopback address, and nothing else is called from here")
        }
        while let (connection, since) = idle.withLock({ $0.popLast() }) {
            if connection.isActive, ContinuousClock.now - since < Self.idleTime { return connection }
            connection.close(promise: nil)
        }
        do {
            return try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
                .connectTimeout(.seconds(5))
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHTTPClientHandlers()
                        try channel.pipeline.syncOperations.addHandler(CallHandler())
                    }
                }
                .connect(host: address.host, port: address.port).get()
        } catch {
            throw .notSent("nobody listens on \(address.authority)")
        }
    }
}

extension LoopbackHTTP {
    private struct Address {
        let host: String
        let port: Int
        let authority: String
        /// Without a slash at its end, so that a target can follow; with the query, if there is one.
        let path: String

        init?(_ url: String) {
            guard let parts = URLComponents(string: url), parts.scheme == "http", parts.user == nil, let host = parts.host else {
                return nil
            }
            self.host = String(host.drop { $0 == "[" }.prefix { $0 != "]" })
            let isLoopback = self.host == "localhost" || (try? SocketAddress(ipAddress: self.host, port: 0))?.isLoopback == true
            guard isLoopback else { return nil }
            port = parts.port ?? 80
            authority = parts.port.map { "\(host):\($0)" } ?? host
            let path = parts.percentEncodedPath
            let query = parts.percentEncodedQuery.map { "?\($0)" } ?? ""
            self.path = (path.hasSuffix("/") ? String(path.dropLast()) : path) + query
        }
    }
}

extension SocketAddress {
    fileprivate var isLoopback: Bool {
        switch self {
        case .v4: ipAddress?.hasPrefix("127.") == true
        case .v6: ipAddress == "::1"
        case .unixDomainSocket: false
        }
    }
}

/// A request, and where the parts of its answer go.
private struct Call: Sendable {
    let head: HTTPRequestHead
    let body: ByteBuffer?
    let answer: AsyncThrowingStream<HTTPClientResponsePart, any Error>.Continuation
}

/// Makes one call at a time on a connection.
private final class CallHandler: ChannelDuplexHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundIn = Call
    typealias OutboundOut = HTTPClientRequestPart

    private var answer: AsyncThrowingStream<HTTPClientResponsePart, any Error>.Continuation?

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let call = unwrapOutboundIn(data)
        answer = call.answer
        context.write(wrapOutboundOut(.head(call.head)), promise: nil)
        if let body = call.body { context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil) }
        context.write(wrapOutboundOut(.end(nil)), promise: promise)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let part = unwrapInboundIn(data)
        answer?.yield(part)
        guard case .end = part else { return }
        answer?.finish()
        answer = nil
    }

    func channelInactive(context: ChannelHandlerContext) {
        answer?.finish(throwing: ChannelError.eof)
        answer = nil
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        answer?.finish(throwing: error)
        answer = nil
        context.close(promise: nil)
    }
}
