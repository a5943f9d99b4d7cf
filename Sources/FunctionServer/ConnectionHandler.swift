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
    private let end: ConnectionEnd
    private let logger: Logger
    private var timer: (task: Scheduled<Void>, at: NIODeadline)?

    init(limits: ConnectionState.Limits, end: ConnectionEnd, logger: Logger) {
        state = ConnectionState(limits: limits, now: .now())
        self.end = end
        self.logger = logger
    }

    func handlerAdded(context: ChannelHandlerContext) { keepTime(context) }

    func handlerRemoved(context: ChannelHandlerContext) {
        timer?.task.cancel()
        timer = nil
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let part = unwrapInboundIn(data)
        if state.isOver {
            if case .body(let buffer) = part { perform(state.discarded(buffer.readableBytes), context) }
            return
        }
        switch part {
        case .head:
            state.headRead(at: .now())
            context.fireChannelRead(data)
        case .body: context.fireChannelRead(data)
        case .end:
            context.fireChannelRead(data)
            perform(state.endRead(at: .now()), context)
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        state.bytesRead(at: .now())
        keepTime(context)
        context.fireChannelReadComplete()
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard !state.isOver else {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        switch unwrapOutboundIn(data) {
        case .head(var head) where head.status.kind != .informational && state.answerBegins():
            head.headerFields[.connection] = "close"
            context.write(wrapOutboundOut(.head(head)), promise: promise)
        case .head, .body:
            context.write(data, promise: promise)
        case .end:
            let action = state.answered(at: .now())
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
        case is ChannelShouldQuiesceEvent: state.shutdownBegan(at: .now())
        case ChannelEvent.inputClosed: perform(state.inputClosed(at: .now()), context)
        default: break
        }
        keepTime(context)
        context.fireUserInboundEventTriggered(event)
    }

    func channelInactive(context: ChannelHandlerContext) {
        perform(state.channelClosed(at: .now()), context)
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard error is HTTPParserError, let action = state.malformed(at: .now()) else {
            context.fireErrorCaught(error)
            return
        }
        perform(action, context)
    }

    private func perform(_ action: ConnectionState.Action, _ context: ChannelHandlerContext) {
        switch action {
        case .nothing: break
        case .interrupt(let reason):
            answer(Answer(reason), context)
            end.come(reason)
        case .refuse(let reason):
            logger.log(Answer(reason))
            answer(Answer(reason), context)
        case .linger: context.close(mode: .output, promise: nil)
        case .close: context.close(promise: nil)
        }
        keepTime(context)
    }

    /// Gives the connection's last answer, in the place of a handler or of a request that never came to be.
    private func answer(_ answer: Answer, _ context: ChannelHandlerContext) {
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
        let task = context.eventLoop.assumeIsolated().scheduleTask(deadline: deadline) {
            self.timer = nil
            self.perform(self.state.timeIsUp(at: .now()), context)
        }
        timer = (task, deadline)
    }
}
