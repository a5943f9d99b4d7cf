import Testing
import Zendesk

@testable import BookingStatusSync

@Suite("Trust in jobs")
struct JobBoardTests {
    /// Judges a proof with tickets 1 and 2, and one with the two swapped.
    private func judge(_ board: inout JobBoard, _ succeeded: [(stale: Bool, own: Bool)], _ now: Duration = .zero) {
        let proofs = zip([(1, 2), (2, 1)], succeeded).map { tickets, succeeded in
            let results: [JobStatus.Result] = [
                .init(id: tickets.0, hasSucceeded: succeeded.stale), .init(id: tickets.1, hasSucceeded: succeeded.own),
            ]
            return (stale: tickets.0, own: tickets.1, status: JobStatus(id: "p", isOver: true, results: results))
        }
        board.judge(proofs, now)
    }

    @Test("jobs are proven twice, with the tickets swapped, before they are relied on")
    func proof() {
        var board = JobBoard(maximumJobs: 5)
        #expect(board.places(isSwept: false) == 1)
        judge(&board, [(false, true), (false, true)])
        #expect(board.trust == .proven)
        #expect(board.places(isSwept: false) == 5)
    }

    @Test("a ticket that fails for reasons of its own proves nothing")
    func ownReasons() {
        var board = JobBoard(maximumJobs: 5)
        judge(&board, [(false, true), (false, false)])
        #expect(board.trust == .unknown)
        #expect(!board.isOpen(.zero))
    }

    @Test("a failed proof closes jobs for one, two, then four minutes; ignored stamps close them for good")
    func noProof() {
        var board = JobBoard(maximumJobs: 5)
        judge(&board, [(false, false), (false, false)], .seconds(2))
        #expect(!board.isOpen(.seconds(61)))
        #expect(board.isOpen(.seconds(62)))
        board.failed([], .seconds(62))
        #expect(!board.isOpen(.seconds(181)))
        #expect(board.isOpen(.seconds(182)))
        judge(&board, [(true, true), (false, true)], .seconds(182))
        #expect(!board.isOpen(.seconds(100_000)))
    }

    @Test("of five jobs, one may be a sweep's, and live changes have the others")
    func places() {
        var board = JobBoard(maximumJobs: 5)
        judge(&board, [(false, true), (false, true)])
        #expect(board.places(isSwept: true) == 1)
        #expect(board.places(isSwept: false) == 5)
        board.began([1], isSwept: true)
        #expect(board.places(isSwept: false) == 4)
        board.ended([1], isSwept: true)
        for ticket in 1...5 { board.began([ticket], isSwept: false) }
        #expect(board.places(isSwept: true) == 0)
    }

    @Test("a ticket waits for one job, and is held until that has ended")
    func held() {
        var board = JobBoard(maximumJobs: 5)
        func hold(_ ticket: Int) -> Bool { board.hold(ticket, .zero) }
        #expect(hold(1))
        #expect(!hold(1))
        board.letGo(1)
        #expect(hold(1))
        board.began([1], isSwept: false)
        board.letGo(1)
        #expect(!hold(1))
        board.ended([1], isSwept: false)
        #expect(hold(1))
    }

    @Test("a job that does not end is given up: its tickets join no other job, and jobs are closed for a while")
    func stalls() {
        var board = JobBoard(maximumJobs: 5)
        board.failed([1], .seconds(25))
        #expect(!board.isOpen(.seconds(84)))
        func hold(_ ticket: Int, _ now: Duration) -> Bool { board.hold(ticket, now) }
        #expect(!hold(1, .seconds(86)))
        #expect(hold(5, .seconds(86)))
        #expect(hold(1, .seconds(3625)))
    }

    @Test("after the instance is told to stop, no job takes a ticket")
    func drains() {
        var board = JobBoard(maximumJobs: 5)
        board.drain()
        let isHeld = board.hold(1, .zero)
        #expect(!isHeld)
    }
}
