import NIOCore
import NIOPosix

/// A TCP connection on which a test sends arbitrary bytes.
final class RawConnection {
    private var inbound: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator
    private let channel: any Channel
    private var buffer = ""

    private init(_ inbound: NIOAsyncChannelInboundStream<ByteBuffer>, _ channel: any Channel) {
        self.inbound = inbound.makeAsyncIterator()
        self.channel = channel
    }

    static func open<Result: Sendable>(port: Int, _ body: (RawConnection) async throws -> Result) async throws -> Result {
        let channel = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .connect(host: "127.0.0.1", port: port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel<ByteBuffer, ByteBuffer>(
                        wrappingChannelSynchronously: channel,
                        configuration: .init(isOutboundHalfClosureEnabled: true)
                    )
                }
            }
        return try await channel.executeThenClose { inbound, _ in try await body(RawConnection(inbound, channel.channel)) }
    }

    /// Returns once the operating system has accepted all of the text.
    func send(_ text: String) async throws { try await channel.writeAndFlush(ByteBuffer(string: text)).get() }

    /// Sends a FIN. Incoming data can still be read.
    func finish() async throws { try await channel.close(mode: .output).get() }

    /// Everything until the server closes the connection; nil for a reset without data.
    func rest() async -> String? {
        do {
            while let more = try await inbound.next(isolation: #isolation) { buffer += String(buffer: more) }
        } catch {
            return buffer.isEmpty ? nil : buffer
        }
        defer { buffer = "" }
        return buffer
    }

    /// The next response; nil if the server closes the connection first.
    func response() async throws -> (status: Int, head: String, body: String)? {
        while true {
            if let end = buffer.firstRange(of: "\r\n\r\n") {
                let head = String(buffer[..<end.lowerBound])
                let length =
                    head.split(separator: "\r\n").first { $0.lowercased().hasPrefix("content-length:") }
                    .flatMap { Int($0.drop { $0 != " " }.dropFirst()) } ?? 0
                let body = buffer[end.upperBound...]
                if body.utf8.count >= length {
                    let text = String(body.utf8.prefix(length))!
                    buffer = String(body.utf8.dropFirst(length))!
                    return (Int(head.split(separator: " ")[1])!, head, text)
                }
            }
            guard let more = try await inbound.next(isolation: #isolation) else { return nil }
            buffer += String(buffer: more)
        }
    }
}
