import FoundationEssentials
import HTTPTypes
import Logging
import NIOCore
import NIOEmbedded
import TestSupport
import Testing

@testable import FunctionHosting

/// Feeds damaged bytes, cut anywhere, into the pipeline of a connection whose handler answers each
/// request.
@Suite("Damaged requests, byte by byte", .timeLimit(.minutes(10)))
struct RawHTTPMutationTests {
    private static let requests = [
        "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nhello",
        "POST /a?b HTTP/1.1\r\nHost: x:80\r\ntransfer-encoding: chunked\r\n\r\n5;ext=1\r\nhello\r\n0\r\ntrailer: y\r\n\r\n",
        "HEAD / HTTP/1.1\r\nhost: x\r\n\r\n", "GET http://x/y HTTP/1.0\r\nconnection: keep-alive\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: h2c\r\ncontent-length: 2\r\n\r\nhi",
        "CONNECT x:1 HTTP/1.1\r\nhost: x:1\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 0\r\nconnection: Close\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!",
        "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n0\r\n\r\n", "\u{16}\u{3}\u{1}\u{2}\0\u{1}",
        "\r\n\r\n",
    ]

    @Test("there is no answer without a request, and none after the last")
    func damaged() throws {
        var all = 0
        for seed in 0..<Mutation.count * 4 {
            var mutation = Mutation(seed: seed, Self.requests)
            let channel = EmbeddedChannel()
            try FunctionChannel.addHandlers(
                to: channel,
                .init(start: .seconds(20), idle: .seconds(60), read: .seconds(20), handle: .seconds(30), drain: .seconds(8)),
                ConnectionEnd(),
                Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
            )
            try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 80)).wait()
            let bytes = (0..<mutation.pick([1, 2, 3])).reduce(into: Data()) { bytes, _ in bytes += mutation.next() }
            var rest = bytes[...]
            var (requests, answers, hasSaidClose) = (0, 0, false)
            while !rest.isEmpty, channel.isActive {
                let part = rest.prefix(mutation.pick([1, 3, 17, 100, 100_000]))
                rest = rest.dropFirst(part.count)
                // Bytes that are not HTTP are a pipeline error, which the reader of the requests
                // receives.
                _ = try? channel.writeInbound(ByteBuffer(bytes: part))
                while let part = try channel.readInbound(as: RequestPart.self) {
                    if part.head != nil { requests += 1 }
                    if part.isEnd { _ = try? channel.writeOutbound(ResponsePart.answer(.failed)) }
                }
            }
            var text = ""
            while let out = try channel.readOutbound(as: ByteBuffer.self) { text += String(buffer: out) }
            // An error's own text names HTTP/1.1, too.
            for head in text.split(separator: "HTTP/1.1 ") where head.prefix(3).allSatisfy(\.isNumber) && head.dropFirst(3).hasPrefix(" ") {
                answers += 1
                #expect(!hasSaidClose, "seed \(seed): an answer after the last")
                hasSaidClose = head.contains("connection: close")
            }
            #expect(answers <= requests + 1, "seed \(seed)")
            _ = try? channel.finish()
            all += requests
        }
        #expect(all > Mutation.count / 4)
    }
}
