import TestSupport
import Testing
import Support
import Zendesk

@testable import BookingStatusSync

@Suite("Assignment of updates to jobs")
struct JobBoardTests {
    private let time = ManualTime()

    private func board(proven: Bool = true, _ change: (inout RoundLimits) -> Void = { _ in }) -> JobBoard {
        var limits = RoundLimits()
        limits.fewestTicketsPerJob = 4
        change(&limits)
        var board = JobBoard(limits: limits)
        guard proven else { return board }
        add([901, 902], to: &board)
        prove(&board)
        for number in [1, 2] { board.withdraw(number) }
        return board
    }

    private func add(_ tickets: [Int], to board: inout JobBoard, priority: CallPriority = .high, _ now: Duration = .zero) {
        for ticket in tickets {
            let isTaken = board.takes(ticket, now)
            #expect(isTaken)
            let update = TicketUpdate(customFields: [:], updatedStamp: "2026-11-23T00:00:00Z")
            _ = board.add(ticket, update, priority: priority, deadline: Deadline(after: .seconds(3000), time.source), now)
        }
    }

    private func results(_ stale: Bool, _ own: Bool, of proof: (stale: JobBoard.Item, own: JobBoard.Item)) -> [JobStatus.Result] {
        [.init(id: proof.stale.ticket, hasSucceeded: stale), .init(id: proof.own.ticket, hasSucceeded: own)]
    }

    private func prove(_ board: inout JobBoard) {
        for _ in 0..<2 { tryProof(&board, stale: false, own: true) }
    }

    private func tryProof(_ board: inout JobBoard, stale: Bool, own: Bool, _ now: Duration = .zero) {
        #expect(board.next(now) == .prove)
        guard let proof = board.proof else { return }
        board.begunProof("proof", stale: proof.stale.ticket, own: proof.own.ticket, now)
        let status = JobStatus(id: "proof", isOver: true, results: results(stale, own, of: proof))
        #expect(board.polled([status], now + .seconds(2)).isEmpty)
    }

    /// Begins the jobs that the board forms.
    private func begin(_ board: inout JobBoard, _ now: Duration = .zero) -> [[Int]] {
        guard board.next(now) == .begin else { return [] }
        let jobs = board.form()
        for (index, job) in jobs.enumerated() { board.begun("job-\(now)-\(index)", job, now) }
        board.endedBeginning()
        return jobs.map { $0.map(\.ticket) }
    }

    @Test("jobs are proven twice, with the tickets swapped, before they are relied on")
    func proof() {
        var board = board(proven: false)
        add([1, 2, 3], to: &board)
        #expect(board.next(.zero) == .prove)
        let first = board.proof!
        #expect((first.stale.ticket, first.own.ticket) == (1, 3))
        board.begunProof("p", stale: 1, own: 3, .zero)
        #expect(board.next(.milliseconds(1200)) == .poll(["p"]))
        _ = board.polled([JobStatus(id: "p", isOver: true, results: results(false, true, of: first))], .seconds(2))
        #expect(board.next(.seconds(2)) == .prove)
        let second = board.proof!
        #expect((second.stale.ticket, second.own.ticket) == (3, 1))
        board.begunProof("q", stale: 3, own: 1, .seconds(2))
        _ = board.polled([JobStatus(id: "q", isOver: true, results: results(false, true, of: second))], .seconds(4))
        #expect(board.next(.seconds(4)) == .begin)
    }

    @Test("a failed proof closes jobs for one, two, then four minutes; ignored stamps close them for good")
    func noProof() {
        var board = board(proven: false)
        add([1, 2], to: &board)
        tryProof(&board, stale: false, own: false)
        #expect(board.next(.seconds(2)) == .release([1, 2]))
        #expect(!board.isOpen(.seconds(61)))
        #expect(board.isOpen(.seconds(62)))
        board.failed([], mayHaveBegun: false, .seconds(62))
        #expect(!board.isOpen(.seconds(181)))
        #expect(board.isOpen(.seconds(182)))
        add([1, 2], to: &board, .seconds(182))
        tryProof(&board, stale: true, own: true, .seconds(182))
        #expect(!board.isOpen(.seconds(100_000)))
    }

    @Test("a lone update waits for no proof, and only briefly for others")
    func alone() {
        var board = board(proven: false)
        add([1], to: &board)
        #expect(board.next(.zero) == .wait(.milliseconds(50)))
        #expect(board.next(.milliseconds(50)) == .release([1]))
    }

    @Test("jobs run side by side in equal sizes; updates too few for a job wait for a running one")
    func shares() {
        var board = board()
        add(Array(1...20), to: &board)
        #expect(begin(&board).map(\.count) == [4, 4, 4, 4, 4])
        add([21], to: &board)
        #expect(begin(&board).isEmpty)
        let isTaken = board.takes(7, .zero)
        #expect(!isTaken)
        #expect(board.polled([JobStatus(id: "job-0.0 seconds-1", isOver: true)], .seconds(2)).map(\.ticket) == [5, 6, 7, 8])
        #expect(begin(&board, .seconds(2)).isEmpty)
        add([5, 6, 7], to: &board, .seconds(2))
        #expect(begin(&board, .seconds(2)) == [[21, 5, 6, 7]])
    }

    @Test("at most five jobs run, with at most a hundred tickets each")
    func limits() {
        var board = board()
        add(Array(1...700), to: &board)
        #expect(begin(&board).map(\.count) == [100, 100, 100, 100, 100])
    }

    @Test("beside live changes, sweeps get one of the jobs")
    func sweeps() {
        var board = board()
        add(Array(1...40), to: &board, priority: .low)
        add(Array(101...108), to: &board)
        #expect(begin(&board).map(\.count) == [4, 4, 40])
        add(Array(201...240), to: &board, priority: .low)
        #expect(begin(&board).isEmpty)
    }

    @Test("a job that does not end is given up: its tickets join no other job, and jobs are closed for a while")
    func stalls() {
        var board = board()
        add([1, 2, 3, 4], to: &board)
        #expect(begin(&board) == [[1, 2, 3, 4]])
        let working = JobStatus(id: "job-0.0 seconds-0", isOver: false)
        #expect(board.polled([working], .seconds(24)).isEmpty)
        #expect(board.polled([working], .seconds(25)).map(\.ticket) == [1, 2, 3, 4])
        #expect(!board.isOpen(.seconds(84)))
        let isTaken = board.takes(1, .seconds(86))
        #expect(!isTaken)
        let isOtherTaken = board.takes(5, .seconds(86))
        #expect(isOtherTaken)
    }

    @Test("a job whose status is briefly missing has not ended")
    func missing() {
        var board = board()
        add([1, 2, 3, 4], to: &board)
        _ = begin(&board)
        #expect(board.polled([], .seconds(2)).isEmpty)
        #expect(board.polled([JobStatus(id: "job-0.0 seconds-0", isOver: true)], .seconds(3)).count == 4)
    }

    @Test("after the instance is told to stop, no job begins, and running jobs are followed to their end")
    func drains() {
        var board = board()
        add(Array(1...4), to: &board)
        _ = begin(&board)
        add([9], to: &board)
        board.drain()
        #expect(board.next(.zero) == .release([7]))
        let isTaken = board.takes(10, .zero)
        #expect(!isTaken)
        #expect(board.next(.seconds(2)) == .poll(["job-0.0 seconds-0"]))
    }

    @Test("a Zendesk limit postpones a job, and updates that cannot wait are told")
    func postponed() {
        var board = board()
        add([1, 2, 3, 4], to: &board)
        #expect(board.next(.zero) == .begin)
        let items = board.form().flatMap(\.self)
        board.postpone(items, for: .seconds(9), .zero)
        board.endedBeginning()
        #expect(board.next(.seconds(1)) == .wait(.seconds(8)))
        #expect(board.next(.seconds(9)) == .begin)
    }
}
