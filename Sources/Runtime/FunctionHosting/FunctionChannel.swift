import FunctionRuntime
import FoundationEssentials
import HTTPTypes
import HummingbirdCore
import Support
import Logging
import NIOCore
import NIOFoundationEssentialsCompat
import NIOHTTP1

/// HTTP/1.1 connections to a function, each behind a ``ConnectionHandler``.
struct FunctionChannel: ServerChildChannel {
    let responder: FunctionResponder
    let limits: ConnectionState.Limits

    /// A connection as seen by the task that serves its requests.
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
                    configuration: .init(
                        // Limits pipelined requests, each of which may have a head of 160 KB.
                        backPressureStrategy: .init(lowWatermark: 1, highWatermark: 4),
                        isOutboundHalfClosureEnabled: true
                    )
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
            // The types that are written cannot hold invalid fields.
            withOutboundHeaderValidation: false,
            withEncoderConfiguration: .init(),
            withDecoderLimitConfiguration: headerLimits
        )
        try channel.pipeline.syncOperations.addHandler(ConnectionHandler(limits: limits, end: end, logger: logger))
    }

    /// An unwrapped message has its attributes in header fields: up to 100, with names of 256 bytes
    /// and values of 1,024. That is 128 KB.
    private static var headerLimits: NIOHTTPDecoderLimitConfiguration {
        var limits = NIOHTTPDecoderLimitConfiguration()
        limits.maxHeaderFieldSize = 64 << 10
        limits.maxHeaderListSize = 160 << 10
        limits.maxHeaderFieldCount = 1000
        return limits
    }

    /// Serves a connection's requests one after the other in one task, which is canceled as a
    /// whole. A task for each request would cost more than the rest of the request.
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
                            // A part without a head is the rest of an answered request.
                            guard let head = part.head else { continue }
                            try await respond(to: head, &parts, after: part, outbound, value.end)
                        }
                    } catch is HTTPParserError {
                        responder.logger.log(.malformedRequest)
                        // The connection may be over already.
                        try? await outbound.write(.answer(.malformedRequest))
                    } catch  where value.end.interruption != nil {
                        // The connection's handler has answered.
                    }
                    // The connection's handler closes it once the client has had time to read the
                    // answer.
                    outbound.finish()
                    try await value.channel.closeFuture.get()
                }
            } onCancel: {
                // After an interruption, the client must still be able to read the answer.
                if value.end.interruption == nil { value.channel.close(mode: .input, promise: nil) }
            }
        } catch {
            logger.trace("a connection ended", metadata: ["error": "\("\(error)".forLog)"])
        }
    }

    private struct Interrupted: Error {}

    /// - Parameters:
    ///   - parts: the rest of the request.
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
        let outcome: FunctionResponder.LoggedAnswer
        do throws(Answer) {
            outcome = await responder.answer(head, body: try await body(&parts, after: first, &held), execution)
        } catch {
            outcome = FunctionResponder.LoggedAnswer(answer: error, logger: execution.logger())
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

    /// - Parameter held: counts the bytes that were taken from the budget.
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
        // Shares the bytes, since a copy could take megabytes.
        return body.readData(length: body.readableBytes, byteTransferStrategy: .noCopy) ?? Data()
    }
}
