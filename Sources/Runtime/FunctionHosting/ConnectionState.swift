import NIOCore

/// The state of one HTTP/1.1 connection and its deadline. A pure state machine:
/// ``ConnectionHandler`` carries out its actions.
///
/// Hummingbird limits the number of bytes of a request, but not the time in which they arrive. It
/// has no deadline for a handler, and it keeps reading the body of a request that has been
/// answered. This type decides all of that.
struct ConnectionState {
    /// The limits of a connection.
    struct Limits: Equatable, Sendable {
        /// From the connection to its first byte, and after a refusal. Only a client that has been
        /// served may idle for long.
        var start: TimeAmount
        /// Between two requests.
        var idle: TimeAmount
        /// From a request's first byte to its last.
        var read: TimeAmount
        /// From a request's head to its answer.
        var handle: TimeAmount
        /// From the start of the shutdown to the last answer in flight.
        var drain: TimeAmount
        /// How long input is discarded after an early answer, and up to how many bytes. The client
        /// can then read the answer: closing at once would reset the connection.
        var linger: TimeAmount = .seconds(1)
        var lingerBytes = 1 << 20
    }

    /// NIO's clock. Its instant is a single number, compared in one instruction. The standard
    /// library's clock calls into the runtime.
    typealias Instant = NIODeadline

    /// What the channel must do now.
    enum Action: Equatable {
        case nothing
        /// Answer instead of the handler, cancel it, and discard further input.
        case interrupt(Answer)
        /// Answer a request that was never complete, then discard further input.
        case refuse(Answer)
        /// Send nothing more, and discard further input.
        case linger
        case close
    }

    private let limits: Limits
    private var phase: Phase
    private var drainsUntil: Instant?
    private var isInputClosed = false

    private enum Phase: Equatable {
        case idle(until: Instant)
        /// A part of a head has arrived.
        case readingHead(until: Instant)
        case busy(Busy)
        case lingering(until: Instant, bytes: Int)
        case closed
    }

    private struct Busy: Equatable {
        /// The number of heads that were read and not answered.
        var unanswered = 1
        /// Whether the newest request has been read to its end.
        var isWhole = false
        /// The read deadline of the newest request.
        var readUntil: Instant
        /// The answer deadline of the oldest request.
        var answerUntil: Instant
        /// The newest request is the connection's last, because the client or the server has asked
        /// to close it.
        var isLastRequest = false
        /// The client was told that the oldest request's answer is the last. This holds even if the
        /// rest of the request arrives while the answer is written.
        var isLastAnswer = false
        /// The oldest request is refused.
        var isRefused = false

        /// The client has not sent all of the oldest request yet.
        var isReadingOldest: Bool { unanswered == 1 && !isWhole }
    }

    init(limits: Limits, now: Instant) {
        self.limits = limits
        phase = .idle(until: now + limits.start)
    }

    /// The time at which ``timeIsUp(at:)`` must be called.
    var deadline: Instant? {
        switch phase {
        case .idle(let until), .readingHead(let until), .lingering(let until, _): return until
        case .busy(let busy):
            let until = busy.isReadingOldest ? min(busy.readUntil, busy.answerUntil) : busy.answerUntil
            return min(until, drainsUntil ?? until)
        case .closed: return nil
        }
    }

    /// Whether the last answer has been given. Anything further from either side is discarded.
    var isOver: Bool {
        switch phase {
        case .lingering, .closed: true
        case .idle, .readingHead, .busy: false
        }
    }

    /// Notes that an answer is about to be written. Returns whether it must tell the client that it
    /// is the connection's last.
    ///
    /// - Parameter isRefusal: whether the answer refuses the client.
    mutating func answerBegins(isRefusal: Bool = false) -> Bool {
        guard case .busy(var busy) = phase else { return true }
        busy.isRefused = isRefusal
        busy.isLastAnswer = busy.isReadingOldest || (busy.unanswered == 1 && (drainsUntil != nil || busy.isLastRequest))
        phase = .busy(busy)
        return busy.isLastAnswer
    }

    /// Notes that the channel has read bytes, even if they are not part of a request.
    mutating func bytesRead(at now: Instant) {
        if case .idle = phase { phase = .readingHead(until: now + limits.read) }
    }

    /// - Parameter isLast: whether this is the connection's last request.
    mutating func headRead(at now: Instant, isLast: Bool = false) {
        switch phase {
        case .idle, .readingHead:
            // The read timeout starts at the first byte.
            let readUntil = if case .readingHead(let until) = phase { until } else { now + limits.read }
            phase = .busy(Busy(readUntil: readUntil, answerUntil: now + limits.handle, isLastRequest: isLast))
        case .busy(var busy):
            busy.unanswered += 1
            busy.isWhole = false
            busy.readUntil = now + limits.read
            busy.isLastRequest = isLast
            phase = .busy(busy)
        case .lingering, .closed: break
        }
    }

    mutating func endRead(at now: Instant) -> Action {
        guard case .busy(var busy) = phase else { return .nothing }
        busy.isWhole = true
        phase = .busy(busy)
        return clientGone(at: now)
    }

    /// Counts the bytes that arrive after an early answer.
    mutating func discarded(_ bytes: Int) -> Action {
        guard case .lingering(let until, let before) = phase else { return .nothing }
        phase = .lingering(until: until, bytes: before + bytes)
        return before + bytes > limits.lingerBytes ? close() : .nothing
    }

    mutating func answered(at now: Instant) -> Action {
        switch phase {
        case .idle, .readingHead:
            // This answers a malformed request that followed valid ones.
            phase = .lingering(until: now + limits.linger, bytes: 0)
            return .linger
        case .busy, .lingering, .closed: break
        }
        guard case .busy(var busy) = phase else { return .nothing }
        if busy.isReadingOldest || busy.isLastAnswer {
            phase = .lingering(until: now + limits.linger, bytes: 0)
            return .linger
        }
        busy.unanswered -= 1
        guard busy.unanswered > 0 else {
            phase = .idle(until: now + (busy.isRefused ? limits.start : limits.idle))
            return .nothing
        }
        busy.answerUntil = now + limits.handle
        // The next request may have been held back for the ones before it, so its read timeout
        // starts now.
        busy.readUntil = now + limits.read
        phase = .busy(busy)
        return clientGone(at: now)
    }

    /// Notes that the client sends nothing more. With a request in flight, it has most likely gone
    /// away.
    mutating func inputClosed(at now: Instant) -> Action {
        isInputClosed = true
        return clientGone(at: now)
    }

    /// Handles input that is not HTTP. Returns nil if an earlier request is still to be answered.
    mutating func malformed(at now: Instant) -> Action? {
        switch phase {
        case .idle, .readingHead:
            phase = .lingering(until: now + limits.linger, bytes: 0)
            return .refuse(.malformedRequest)
        case .busy: return nil
        case .lingering, .closed: return .nothing
        }
    }

    mutating func shutdownBegan(at now: Instant) -> Action {
        drainsUntil = now + limits.drain
        switch phase {
        case .idle, .readingHead: return close()
        case .busy, .lingering, .closed: return .nothing
        }
    }

    mutating func channelClosed(at now: Instant) -> Action {
        let action = inputClosed(at: now)
        phase = .closed
        return action
    }

    mutating func timeIsUp(at now: Instant) -> Action {
        guard let deadline, now >= deadline else { return .nothing }
        switch phase {
        case .idle, .lingering: return close()
        case .readingHead:
            phase = .lingering(until: now + limits.linger, bytes: 0)
            return .refuse(.slowRequest)
        case .busy(let busy):
            if let drainsUntil, now >= drainsUntil { return interrupt(.stopping, at: now) }
            return interrupt(busy.isReadingOldest && now >= busy.readUntil ? .slowRequest : .outOfTime, at: now)
        case .closed: return .nothing
        }
    }

    private mutating func clientGone(at now: Instant) -> Action {
        guard isInputClosed, case .busy(let busy) = phase, !busy.isReadingOldest else { return .nothing }
        return interrupt(.clientGone, at: now)
    }

    private mutating func interrupt(_ answer: Answer, at now: Instant) -> Action {
        phase = .lingering(until: now + limits.linger, bytes: 0)
        return .interrupt(answer)
    }

    private mutating func close() -> Action {
        phase = .closed
        return .close
    }
}
