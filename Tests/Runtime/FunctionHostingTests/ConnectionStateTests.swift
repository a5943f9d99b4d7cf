import NIOCore
import Testing

@testable import FunctionHosting

@Suite("Connection state")
struct ConnectionStateTests {
    private static let limits = ConnectionState.Limits(
        start: .seconds(20),
        idle: .seconds(100),
        read: .seconds(20),
        handle: .seconds(30),
        drain: .seconds(8),
        linger: .seconds(1),
        lingerBytes: 1000
    )
    private let start = NIODeadline.now()
    private var state = ConnectionState(limits: limits, now: .now())

    init() { state = ConnectionState(limits: Self.limits, now: start) }

    private func at(_ seconds: Int64) -> NIODeadline { start + .seconds(seconds) }

    /// The deadline in seconds after the start.
    private func deadline(_ state: ConnectionState) -> Int64? {
        state.deadline.map { ($0 - start).nanoseconds / 1_000_000_000 }
    }

    @Test("a silent connection is closed when its idle time is over")
    func idle() {
        var state = state
        // Before its first request, a connection waits only as long as a request may take to
        // arrive.
        #expect(deadline(state) == 20)
        #expect(state.timeIsUp(at: at(19)) == .nothing)
        #expect(state.timeIsUp(at: at(20)) == .close)
        #expect(state.deadline == nil)
        state = self.state
        state.headRead(at: at(0))
        _ = state.endRead(at: at(0))
        _ = state.answerBegins()
        #expect(state.answered(at: at(1)) == .nothing)
        #expect(deadline(state) == 101)
    }

    @Test("a dripping head is refused, however often a byte arrives")
    func drippedHead() {
        var state = state
        for second in Int64(5)..<25 { state.bytesRead(at: at(second)) }
        #expect(deadline(state) == 25)
        #expect(state.timeIsUp(at: at(25)) == .refuse(.slowRequest))
        #expect(state.isOver)
        #expect(state.timeIsUp(at: at(26)) == .close)
    }

    @Test("a dripping body is refused; its time runs from the request's first byte")
    func drippedBody() {
        var state = state
        state.bytesRead(at: at(0))
        state.headRead(at: at(10))
        for second in Int64(11)..<20 { state.bytesRead(at: at(second)) }
        #expect(deadline(state) == 20)
        #expect(state.timeIsUp(at: at(20)) == .interrupt(.slowRequest))
    }

    @Test("a handler's time starts with the head; then it is interrupted, and then the connection is closed")
    func outOfTime() {
        var state = state
        state.headRead(at: at(1))
        #expect(state.endRead(at: start) == .nothing)
        #expect(deadline(state) == 31)
        #expect(state.timeIsUp(at: at(31)) == .interrupt(.outOfTime))
        // The answer has been sent. The client has a second to read it.
        #expect(state.isOver)
        #expect(deadline(state) == 32)
        #expect(state.timeIsUp(at: at(32)) == .close)
    }

    @Test("the connection is kept after a complete request and its answer")
    func keepAlive() {
        var state = state
        state.headRead(at: at(0))
        #expect(state.endRead(at: start) == .nothing)
        #expect(state.answerBegins() == false)
        #expect(state.answered(at: at(3)) == .nothing)
        #expect(deadline(state) == 103)
        #expect(!state.isOver)
    }

    @Test("an answer before the request's end is the last, and further input is discarded for a while")
    func earlyAnswer() {
        var state = state
        state.headRead(at: at(0))
        #expect(state.answerBegins() == true)
        // The rest arrives while the answer is being sent.
        #expect(state.endRead(at: start) == .nothing)
        #expect(state.answered(at: at(1)) == .linger)
        #expect(state.isOver)
        #expect(state.discarded(1000) == .nothing)
        #expect(state.discarded(1) == .close)
    }

    @Test("pipelined requests are answered in turn, each with its own time")
    func pipelining() {
        var state = state
        state.headRead(at: at(0))
        #expect(state.endRead(at: start) == .nothing)
        state.headRead(at: at(1))
        // The second request may stay unread until the first has been answered.
        #expect(deadline(state) == 30)
        #expect(state.answerBegins() == false)
        #expect(state.answered(at: at(25)) == .nothing)
        #expect(deadline(state) == 45)
        #expect(state.endRead(at: start) == .nothing)
        #expect(deadline(state) == 55)
        #expect(state.timeIsUp(at: at(55)) == .interrupt(.outOfTime))
    }

    @Test("a client that disconnects interrupts the request in progress")
    func clientGone() {
        var state = state
        state.headRead(at: at(0))
        #expect(state.endRead(at: start) == .nothing)
        #expect(state.inputClosed(at: start) == .interrupt(.clientGone))
        #expect(state.isOver)
    }

    @Test("a client that closes right after its request counts as gone once the request is complete")
    func closesAtOnce() {
        var state = state
        state.headRead(at: at(0))
        #expect(state.inputClosed(at: start) == .nothing)
        #expect(state.endRead(at: start) == .interrupt(.clientGone))
    }

    @Test("a client that closes within its request is left to the decoder to refuse")
    func truncated() {
        var state = state
        state.headRead(at: at(0))
        #expect(state.inputClosed(at: start) == .nothing)
        #expect(state.malformed(at: at(0)) == nil)
    }

    @Test("malformed HTTP is refused if no other answer is owed")
    func malformed() {
        var state = state
        state.bytesRead(at: at(0))
        #expect(state.malformed(at: at(0)) == .refuse(.malformedRequest))
        #expect(state.malformed(at: at(0)) == .nothing)
    }

    @Test("a shutdown gives a request time to drain and makes its answer the last")
    func shutdown() {
        var state = state
        state.headRead(at: at(0))
        #expect(state.endRead(at: start) == .nothing)
        #expect(state.shutdownBegan(at: at(2)) == .nothing)
        #expect(deadline(state) == 10)
        #expect(state.answerBegins() == true)
        #expect(state.timeIsUp(at: at(10)) == .interrupt(.stopping))
    }

    @Test("a shutdown closes a connection without a request")
    func shutdownWhileIdle() {
        var (idle, reading) = (state, state)
        #expect(idle.shutdownBegan(at: at(1)) == .close)
        reading.bytesRead(at: at(1))
        #expect(reading.shutdownBegan(at: at(2)) == .close)
    }

    @Test("the answer to the last request says so, even if the request was read to its end")
    func lastRequest() {
        var state = state
        state.headRead(at: at(0))
        state.headRead(at: at(0), isLast: true)
        #expect(state.endRead(at: at(0)) == .nothing)
        #expect(state.answerBegins() == false)
        #expect(state.answered(at: at(1)) == .nothing)
        #expect(state.answerBegins() == true)
        #expect(state.answered(at: at(1)) == .linger)
    }

    @Test("a request still being read when the drain time is over is answered")
    func shutdownWhileReading() {
        var state = state
        state.headRead(at: at(0))
        #expect(state.shutdownBegan(at: at(0)) == .nothing)
        #expect(state.timeIsUp(at: at(8)) == .interrupt(.stopping))
    }
}
