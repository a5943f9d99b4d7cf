import CloudEvents
import FoundationEssentials
import HTTPTypes
import HummingbirdCore
import Logging
import NIOCore
import NIOFoundationEssentialsCompat
import NIOHTTP1

/// HTTP/1.1 connections to a function: Hummingbird's request loop behind a ``ConnectionHandler``.
struct FunctionChannel: ServerChildChannel {
    let responder: FunctionResponder
    let limits: ConnectionState.Limits

    /// A connection, with the responder that is its own.
    struct Value: ServerChildChannelValue {
        let http: HTTP1Channel
        let connection: HTTP1Channel.Value
        let end: ConnectionEnd
        var channel: any Channel { connection.channel }
    }

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        channel.eventLoop.makeCompletedFuture {
            let end = ConnectionEnd()
            try Self.addHandlers(to: channel, limits, end, responder.logger)
            return Value(
                http: HTTP1Channel(responder: { request, writer, _ in try await respond(to: request, writer, end) }),
                connection: try HTTP1Channel.Value(
                    wrappingChannelSynchronously: channel,
                    configuration: .init(isOutboundHalfClosureEnabled: true)
                ),
                end: end
            )
        }
    }

    static func addHandlers(
        to channel: any Channel,
        _ limits: ConnectionState.Limits,
        _ end: ConnectionEnd,
        _ logger: Logger
    ) throws {
        try channel.pipeline.syncOperations.configureHTTPServerPipeline(
            withPipeliningAssistance: false,
            withErrorHandling: false,
            // Types that cannot hold such fields are what is written.
            withOutboundHeaderValidation: false,
            withEncoderConfiguration: .init(),
            withDecoderLimitConfiguration: headerLimits
        )
        try channel.pipeline.syncOperations.addHandler(ConnectionHandler(limits: limits, end: end, logger: logger))
    }

    /// A message without a wrapper has its attributes in header fields: up to a hundred, of 256 bytes with values of 1,024. That is 128 KB.
    private static var headerLimits: NIOHTTPDecoderLimitConfiguration {
        var limits = NIOHTTPDecoderLimitConfiguration()
        limits.maxHeaderFieldSize = 64 << 10
        limits.maxHeaderListSize = 160 << 10
        limits.maxHeaderFieldCount = 1000
        return limits
    }

    /// One task a connection, in which its requests are worked on one after the other, and which is cancelled as a whole: a task for each request
    /// would cost more than all the rest of it.
    func handle(value: Value, logger: Logger) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                await value.http.handle(value: value.connection, logger: logger)
                value.end.come(nil)
            }
            await value.end.wait()
            group.cancelAll()
        }
    }

    private struct Interrupted: Error {}

    @concurrent
    private func respond(to request: Request, _ writer: consuming ResponseWriter, _ end: ConnectionEnd) async throws {
        let execution = Execution(request.headers, responder.configuration, responder.logger)
        if let refusal = await responder.refusal(of: request.head) {
            execution.logger().log(refusal)
            try await writer.write(response: refusal.head, body: ResponseBody(byteBuffer: refusal.body))
            return
        }
        if request.headers.value(.expect)?.lowercased() == "100-continue" {
            try await writer.writeInformationalHead(HTTPResponse(status: .continue))
        }
        var held = 0
        defer { responder.bodies.giveBack(held) }
        let outcome = await responder.answer(
            request.head,
            body: { () async throws(Refusal) in try await body(of: request, &held) },
            execution
        )
        if let interruption = end.interruption {
            // The connection has answered already.
            outcome.logger.log(Answer(interruption))
            throw Interrupted()
        }
        outcome.logger.log(outcome.answer)
        try await writer.write(response: outcome.answer.head, body: ResponseBody(byteBuffer: outcome.answer.body))
    }

    /// - Parameter held: counts the bytes that were taken of the budget.
    private func body(of request: Request, _ held: inout Int) async throws(Refusal) -> Data {
        let limit = responder.configuration.maximumBodyBytes
        var body = ByteBuffer()
        do {
            for try await var part in request.body {
                let length = part.readableBytes
                guard held + length <= limit else { throw Refusal(answer: .bodyTooLarge(limit)) }
                guard responder.bodies.take(length, after: held) else { throw Refusal(answer: .tooManyBytes) }
                // Most bodies come in one part.
                if held == 0 { body = part } else { body.writeBuffer(&part) }
                held += length
            }
        } catch let refusal as Refusal {
            throw refusal
        } catch {
            throw Refusal(answer: .malformed("the request's body is damaged, or ended before it was complete"))
        }
        // Not a copy of what may be megabytes, but the same bytes.
        return body.readData(length: body.readableBytes, byteTransferStrategy: .noCopy) ?? Data()
    }
}
