import HTTPTypes
import Logging
import NIOCore
import NIOHTTP1
import NIOHTTPTypes

/// Keeps a connection to its limits: carries out what ``ConnectionState`` decides, in the channel's pipeline behind the HTTP decoder.
final class ConnectionHandler: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    private var state: ConnectionState
    private let interruptions: Interruptions
    private let logger: Logger
    private var timer: (task: Scheduled<Void>, at: ContinuousClock.Instant)?

    init(limits: ConnectionState.Limits, interruptions: Interruptions, logger: Logger) {
        state = ConnectionState(limits: limits, now: .now)
        self.interruptions = interruptions
        self.logger = logger
    }

    func handlerAdded(context: ChannelHandlerContext) { keepTime(context) }

    func handlerRemoved(context: ChannelHandlerContext) {
        timer?.task.cancel()
        timer = nil
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let part = unwrapInboundIn(data)
        if state.discardsInput {
            if case .body(let buffer) = part { perform(state.discarded(buffer.readableBytes), context) }
            return
        }
        switch part {
        case .head:
            state.headRead(at: .now)
            context.fireChannelRead(data)
        case .body: context.fireChannelRead(data)
        case .end:
            context.fireChannelRead(data)
            perform(state.endRead(), context)
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        state.bytesRead(at: .now)
        keepTime(context)
        context.fireChannelReadComplete()
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch unwrapOutboundIn(data) {
        case .head(var head) where head.status.kind != .informational && state.answerBegins():
            head.headerFields[.connection] = "close"
            context.write(wrapOutboundOut(.head(head)), promise: promise)
        case .head, .body:
            context.write(data, promise: promise)
        case .end:
            let action = state.answered(at: .now)
            if action == .linger {
                context.writeAndFlush(data, promise: promise)
            } else {
                context.write(data, promise: promise)
            }
            perform(action, context)
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case is ChannelShouldQuiesceEvent: state.shutdownBegan(at: .now)
        case ChannelEvent.inputClosed: perform(state.inputClosed(), context)
        default: break
        }
        keepTime(context)
        context.fireUserInboundEventTriggered(event)
    }

    func channelInactive(context: ChannelHandlerContext) {
        perform(state.channelClosed(), context)
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard error is HTTPParserError, let action = state.malformed(at: .now) else {
            context.fireErrorCaught(error)
            return
        }
        perform(action, context)
    }

    private func perform(_ action: ConnectionState.Action, _ context: ChannelHandlerContext) {
        switch action {
        case .nothing: break
        case .interrupt(let turn, let reason): interruptions.interrupt(turn: turn, reason)
        case .refuse(let reason): refuse(Answer(reason), context)
        case .linger: context.close(mode: .output, promise: nil)
        case .close: context.close(promise: nil)
        }
        keepTime(context)
    }

    /// Answers in the place of a request that never came to be.
    private func refuse(_ answer: Answer, _ context: ChannelHandlerContext) {
        logger.log(answer)
        var head = answer.head
        head.headerFields[.connection] = "close"
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        context.write(wrapOutboundOut(.body(answer.body)), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        context.close(mode: .output, promise: nil)
    }

    /// Sees to it that a timer fires at the deadline or before it: most deadlines move on before they are reached, and cost nothing so.
    private func keepTime(_ context: ChannelHandlerContext) {
        guard let deadline = state.deadline else {
            timer?.task.cancel()
            timer = nil
            return
        }
        if let timer {
            guard deadline < timer.at else { return }
            timer.task.cancel()
        }
        let task = context.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(deadline - .now)) {
            self.timer = nil
            self.perform(self.state.timeIsUp(at: .now), context)
        }
        timer = (task, deadline)
    }
}
