import FunctionRuntime
import FoundationEssentials
import HTTPTypes
import HummingbirdCore
import JSONReader
import Logging
import NIOCore
import NIOFoundationEssentialsCompat
import NIOHTTP1

/// HTTP/1.1 connections to a function, each behind a ``ConnectionHandler``.
struct FunctionChannel: ServerChildChannel {
    let responder: FunctionResponder
    let limits: ConnectionState.Limits

    /// A connection, as the task that works on its requests sees it.
    struct Value: ServerChildChannelValue {
        let connection: NIOAsyncChannel<RequestPart, ResponsePart>
        let end: ConnectionEnd
        var channel: any Channel { connection.channel }
    }

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        channel.eventLoop.makeCompletedFuture {
            let end = ConnectionEnd()
            try Self.addHandlers(to: channel, limits, end, responder.logger)
            return Value(
                connection: try NIOAsyncChannel(
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

    /// A message without a wrapper has its attributes in header fields: up to a hundred, of 256
    /// bytes with values of 1,024. That is 128 KB.
    private static var headerLimits: NIOHTTPDecoderLimitConfiguration {
        var limits = NIOHTTPDecoderLimitConfiguration()
        limits.maxHeaderFieldSize = 64 << 10
        limits.maxHeaderListSize = 160 << 10
        limits.maxHeaderFieldCount = 1000
        return limits
    }

    /// One task a connection, in which its requests are worked on one after the other, and which is
    /// cancelled as a whole: a task for each request would cost more than all the rest of it.
    func handle(value: Value, logger: Logger) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                await serve(value, logger)
                value.end.come(nil)
            }
            await value.end.wait()
            group.cancelAll()
        }
    }

    private func serve(_ value: Value, _ logger: Logger) async {
        do {
            try await withTaskCancellationHandler {
                try await value.connection.executeThenClose { inbound, outbound in
                    var parts = inbound.makeAsyncIterator()
                    do {
                        while let part = try await parts.next() {
                            // Without a head it is the rest of a request that has its answer.
                            guard let head = part.head else { continue }
                            try await respond(to: head, &parts, after: part, outbound, value.end)
                        }
                    } catch is HTTPParserError {
                        try await outbound.write(.answer(.malformedRequest))
                    }
                    // The connection's handler closes it once the client has had time to read what
                    // was written.
                    outbound.finish()
                    try await value.channel.closeFuture.get()
                }
            } onCancel: {
                value.channel.close(mode: .input, promise: nil)
            }
        } catch {
            logger.trace("a connection ended", metadata: ["error": "\("\(error)".forLog)"])
        }
    }

    private struct Interrupted: Error {}

    /// - Parameters:
    ///   - parts: what follows of the request.
    ///   - first: the request's first part.
    @concurrent
    private func respond(
        to head: HTTPRequest,
        _ parts: inout RequestParts,
        after first: RequestPart,
        _ outbound: NIOAsyncChannelOutboundWriter<ResponsePart>,
        _ end: ConnectionEnd
    ) async throws {
        let execution = Execution(head.headerFields, responder.configuration, responder.logger)
        if let refusal = await responder.refusal(of: head) {
            execution.logger().log(refusal)
            return try await outbound.write(.answer(refusal))
        }
        if head.headerFields.value(.expect)?.lowercased() == "100-continue" { try await outbound.write(.continue) }
        var held = 0
        defer { responder.bodies.giveBack(held) }
        let outcome: FunctionResponder.Outcome
        do throws(Answer) {
            outcome = await responder.answer(head, body: try await body(&parts, after: first, &held), execution)
        } catch {
            outcome = FunctionResponder.Outcome(answer: error, logger: execution.logger())
        }
        if let interruption = end.interruption {
            // The connection has answered already.
            outcome.logger.log(interruption)
            throw Interrupted()
        }
        outcome.logger.log(outcome.answer)
        try await outbound.write(.answer(outcome.answer))
    }

    private typealias RequestParts = NIOAsyncChannelInboundStream<RequestPart>.AsyncIterator

    /// - Parameter held: counts the bytes that were taken of the budget.
    @concurrent
    private func body(_ parts: inout RequestParts, after first: RequestPart, _ held: inout Int) async throws(Answer) -> Data {
        let limit = responder.configuration.maximumBodyBytes
        var part = first
        var body = ByteBuffer()
        while true {
            let length = part.body.readableBytes
            guard held + length <= limit else { throw .bodyTooLarge(limit) }
            guard responder.bodies.take(length, after: held) else { throw .tooManyBytes }
            // Most bodies come in one part.
            if held == 0 { body = part.body } else { body.writeBuffer(&part.body) }
            held += length
            if part.isEnd { break }
            guard let next = try? await parts.next() else {
                throw .malformed("the request's body is damaged, or ended before it was complete")
            }
            part = next
        }
        // Not a copy of what may be megabytes, but the same bytes.
        return body.readData(length: body.readableBytes, byteTransferStrategy: .noCopy) ?? Data()
    }
}
