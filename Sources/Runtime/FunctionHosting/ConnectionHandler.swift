import HTTPTypes
import Logging
import NIOCore
import NIOHTTP1
import NIOHTTPTypesHTTP1

/// The part of a request that one read returned. Most requests have a single part. Each part costs
/// a hop between threads.
struct RequestPart: Sendable {
    /// Set in a request's first part.
    var head: HTTPRequest?
    var body = ByteBuffer()
    /// Whether this is the request's last part.
    var isEnd = false
}

/// The output of a request's task.
enum ResponsePart: Sendable {
    case `continue`
    case answer(Answer)
}

/// The channel handler between the HTTP decoder and the server's requests. Carries out what
/// ``ConnectionState`` decides, and implements the parts of HTTP/1.1 that the decoder does not.
///
/// Sources: RFC 9112, sections 3.2 and 9; RFC 9110, sections 7.8, 9.3.2 and 10.1.1.
final class ConnectionHandler: ChannelDuplexHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = RequestPart
    typealias OutboundIn = ResponsePart
    typealias OutboundOut = HTTPServerResponsePart

    private var state: ConnectionState
    private let end: ConnectionEnd
    private let logger: Logger
    private var timer: (task: Scheduled<Void>, at: NIODeadline)?
    /// Whether each unanswered request is a HEAD, oldest first. The answer to a HEAD has no body.
    private var isHead: [Bool] = []
    /// The part that was read but not handed on yet.
    private var pending: RequestPart?
    /// Whether the connection's last request is being read, and whether it has been. After it,
    /// input is discarded.
    private var lastRequest: (isBeingRead: Bool, isRead: Bool) = (false, false)
    /// Whether the decoder has stopped parsing and would buffer further input.
    private var isDecoderDeaf = false

    /// Statuses that refuse a client. Its connection may then idle only briefly.
    private static let refusals: Set = [400, 401, 403, 404, 405]

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
        guard !state.isOver else {
            if case .body(let buffer) = part { perform(state.discarded(buffer.readableBytes), context) }
            return
        }
        guard !lastRequest.isRead else { return }
        switch part {
        case .head(let head): read(head, context)
        case .body(let buffer):
            if pending?.body.readableBytes ?? 0 > 0 { handOn(context) }
            pending = RequestPart(head: pending?.head, body: buffer)
        case .end:
            lastRequest.isRead = lastRequest.isBeingRead
            // Trailers are ignored.
            pending = RequestPart(head: pending?.head, body: pending?.body ?? ByteBuffer(), isEnd: true)
            handOn(context)
            perform(state.endRead(at: .now()), context)
        }
    }

    private func handOn(_ context: ChannelHandlerContext) {
        guard let part = pending else { return }
        pending = nil
        context.fireChannelRead(wrapInboundOut(part))
    }

    /// Stops reading when nothing would consume the input, so that the client feels backpressure.
    func read(context: ChannelHandlerContext) {
        guard !isDecoderDeaf || !lastRequest.isRead else { return }
        context.read()
    }

    private func read(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        let fields = FramingFields(head)
        guard fields.areValid, var request = try? HTTPRequest(head, secure: false, splitCookie: false) else {
            return errorCaught(context: context, error: HTTPParserError.unknown)
        }
        if head.version == .http1_0 { request.headerFields[.expect] = nil }
        lastRequest.isBeingRead = fields.areLast
        isDecoderDeaf = fields.askForAnotherProtocol
        isHead.append(head.method == .HEAD)
        state.headRead(at: .now(), isLast: fields.areLast)
        pending = RequestPart(head: request)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        handOn(context)
        state.bytesRead(at: .now())
        // Discarded input has no consumer that would request more.
        if state.isOver { context.read() }
        keepTime(context)
        context.fireChannelReadComplete()
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard !state.isOver else {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        switch unwrapOutboundIn(data) {
        case .continue:
            context.write(wrapOutboundOut(.head(HTTPResponseHead(version: .http1_1, status: .continue))), promise: promise)
        case .answer(let answer):
            let isLast = state.answerBegins(isRefusal: Self.refusals.contains(answer.status.code))
            write(answer, isLast: isLast, context, promise)
            if !isHead.isEmpty { isHead.removeFirst() }
            let action = state.answered(at: .now())
            if action == .linger { context.flush() }
            perform(action, context)
        }
    }

    private func write(_ answer: Answer, isLast: Bool, _ context: ChannelHandlerContext, _ promise: EventLoopPromise<Void>?) {
        var head = answer.head
        if isLast { head.headerFields[.connection] = "close" }
        context.write(wrapOutboundOut(.head(HTTPResponseHead(head))), promise: nil)
        let body = answer.body
        if isHead.first != true, body.readableBytes > 0 { context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil) }
        context.write(wrapOutboundOut(.end(nil)), promise: promise)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case is ChannelShouldQuiesceEvent: perform(state.shutdownBegan(at: .now()), context)
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
            // Earlier requests are answered first; the error then ends the connection.
            lastRequest.isRead = true
            handOn(context)
            context.fireErrorCaught(error)
            return
        }
        perform(action, context)
    }

    private func perform(_ action: ConnectionState.Action, _ context: ChannelHandlerContext) {
        switch action {
        case .nothing: break
        case .interrupt(let last):
            answer(last, context)
            end.come(last)
        case .refuse(let last):
            logger.log(last)
            answer(last, context)
        case .linger: context.close(mode: .output, promise: nil)
        case .close: context.close(promise: nil)
        }
        keepTime(context)
    }

    /// Writes the connection's last answer, instead of a handler or for a request that was never
    /// complete.
    private func answer(_ answer: Answer, _ context: ChannelHandlerContext) {
        write(answer, isLast: true, context, nil)
        context.flush()
        context.close(mode: .output, promise: nil)
        context.read()
    }

    /// Keeps a timer that fires no later than the deadline. Most deadlines are postponed before
    /// they are reached, so postponing one costs nothing.
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

/// What a request's header fields say about the connection.
private struct FramingFields {
    /// Whether the host is valid. HTTP/1.1 requires exactly one; HTTP/1.0 may omit it.
    let areValid: Bool
    /// Whether this is the connection's last request.
    let areLast: Bool
    /// Whether the client asks for another protocol after this request. The decoder then stops
    /// parsing.
    let askForAnotherProtocol: Bool

    init(_ head: HTTPRequestHead) {
        var hosts = 0
        var isHostValid = true
        var upgrades = false
        for (name, value) in head.headers {
            switch name.lowercased() {
            case "host":
                hosts += 1
                isHostValid = isHostValid && value.utf8.allSatisfy(Self.canBeInHost)
            case "upgrade": upgrades = true
            default: break
            }
        }
        let isOld = head.version == .http1_0
        areValid = isHostValid && (hosts == 1 || (hosts == 0 && isOld))
        askForAnotherProtocol = head.method == .CONNECT || (upgrades && head.headers.asksForUpgrade)
        areLast = isOld || !head.isKeepAlive || askForAnotherProtocol
    }

    /// Source: RFC 3986, section 3.2.2.
    private static func canBeInHost(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
        default: "-._~%!$&'()*+;=:[]".utf8.contains(byte)
        }
    }
}

extension HTTPHeaders {
    fileprivate var asksForUpgrade: Bool { self[canonicalForm: "connection"].contains { $0.lowercased() == "upgrade" } }
}
