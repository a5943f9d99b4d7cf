import NIOCore

/// Where one HTTP/1.1 connection stands, and until when it may stay there: a pure state machine
/// that ``ConnectionHandler`` carries out.
///
/// Hummingbird bounds the number of bytes of a request, but not the time in which they come; it has
/// no deadline for a handler and goes on reading a body whose request has been answered already.
/// All of that is decided here.
struct ConnectionState {
    /// How long each side may take.
    struct Limits: Equatable, Sendable {
        /// From the connection to its first byte, and after a refusal. It is who has been served
        /// that may be idle for long.
        var start: TimeAmount
        /// Between two requests.
        var idle: TimeAmount
        /// From a request's first byte to its last.
        var read: TimeAmount
        /// From a request's head to its answer.
        var handle: TimeAmount
        /// From the start of the shutdown to the answers of what is in flight.
        var drain: TimeAmount
        /// After an answer that came before the request's end: for how long, and how far, what
        /// still comes is thrown away, so that the client gets to read the answer. Closing at once
        /// would reset the connection under it.
        var linger: TimeAmount = .seconds(1)
        var lingerBytes = 1 << 20
    }

    /// NIO's, which is one number and can be compared by one instruction: the standard library's
    /// clock costs its way through the runtime.
    typealias Instant = NIODeadline

    /// What the channel has to do now.
    enum Action: Equatable {
        case nothing
        /// Answer in the handler's place, cancel it, and throw away what still comes.
        case interrupt(Answer)
        /// Answer what never became a request, then throw away what still comes.
        case refuse(Answer)
        /// Send nothing more, and throw away what still comes.
        case linger
        case close
    }

    private let limits: Limits
    private var phase: Phase
    private var drainsUntil: Instant?
    private var isInputClosed = false

    private enum Phase: Equatable {
        case idle(until: Instant)
        /// Bytes have come that are no whole head yet.
        case readingHead(until: Instant)
        case busy(Busy)
        case lingering(until: Instant, bytes: Int)
        case closed
    }

    private struct Busy: Equatable {
        /// Heads that were read and not answered.
        var unanswered = 1
        /// Whether the newest of them has been read to its end.
        var isWhole = false
        /// When the newest has to be read.
        var readUntil: Instant
        /// When the oldest has to be answered.
        var answerUntil: Instant
        /// No other request is taken after the newest, as one of the two sides wants it.
        var isLastRequest = false
        /// The client was told that the oldest one's answer is the last, even if the rest of the
        /// request comes while it is written.
        var isLastAnswer = false
        /// The oldest one is refused.
        var isRefused = false

        /// The client still owes a part of the oldest request.
        var isReadingOldest: Bool { unanswered == 1 && !isWhole }
    }

    init(limits: Limits, now: Instant) {
        self.limits = limits
        phase = .idle(until: now + limits.start)
    }

    /// The moment at which ``timeIsUp(at:)`` has something to say.
    var deadline: Instant? {
        switch phase {
        case .idle(let until), .readingHead(let until), .lingering(let until, _): return until
        case .busy(let busy):
            let until = busy.isReadingOldest ? min(busy.readUntil, busy.answerUntil) : busy.answerUntil
            return min(until, drainsUntil ?? until)
        case .closed: return nil
        }
    }

    /// Whether the last answer has been given: what still comes, from either side, is thrown away.
    var isOver: Bool {
        switch phase {
        case .lingering, .closed: true
        case .idle, .readingHead, .busy: false
        }
    }

    /// Returns whether the answer that is about to be written has to tell the client that it is the
    /// connection's last.
    ///
    /// - Parameter isRefusal: whether the client should not be here.
    mutating func answerBegins(isRefusal: Bool = false) -> Bool {
        guard case .busy(var busy) = phase else { return true }
        busy.isRefused = isRefusal
        busy.isLastAnswer = busy.isReadingOldest || (busy.unanswered == 1 && (drainsUntil != nil || busy.isLastRequest))
        phase = .busy(busy)
        return busy.isLastAnswer
    }

    /// The channel has read something, whether or not it became a part of a request.
    mutating func bytesRead(at now: Instant) {
        if case .idle = phase { phase = .readingHead(until: now + limits.read) }
    }

    /// - Parameter isLast: whether the connection is used for no request after this one.
    mutating func headRead(at now: Instant, isLast: Bool = false) {
        switch phase {
        case .idle, .readingHead:
            // The time for reading runs from the first byte on.
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

    /// What comes after an early answer.
    mutating func discarded(_ bytes: Int) -> Action {
        guard case .lingering(let until, let before) = phase else { return .nothing }
        phase = .lingering(until: until, bytes: before + bytes)
        return before + bytes > limits.lingerBytes ? close() : .nothing
    }

    mutating func answered(at now: Instant) -> Action {
        switch phase {
        case .idle, .readingHead:
            // Of what never became a request, behind those that did.
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
        // What was not read for the sake of the requests before it is owed from now on.
        busy.readUntil = now + limits.read
        phase = .busy(busy)
        return clientGone(at: now)
    }

    /// The client will send nothing more. With a request in flight it has most likely gone away.
    mutating func inputClosed(at now: Instant) -> Action {
        isInputClosed = true
        return clientGone(at: now)
    }

    /// What came is not HTTP. Returns nil where an answer of a request before it is still owed.
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
