import SpannerChangeStreams
import Testing

@testable import BookingStatusSync

@Suite("Several changes to one booking at once")
struct BatchPlanTests {
    private func change(_ from: String?, _ to: String?, _ seconds: Int64, isFresh: Bool = false) -> BookingChange {
        BookingStatusSyncTests.change(of: "b", from: from.map { .tag($0) } ?? .none, to: to, version(seconds), isFresh: isFresh)
    }

    private func plan(_ ticket: TicketState, _ changes: [BookingChange], excluded: [Int: Outcome] = [:], keepsVersions: Bool = true)
        -> BatchPlan
    {
        BatchPlan(ticket, changes, excluded: excluded, keepsVersions: keepsVersions) { decide($0, $1, keepsVersions: $2) }
    }

    @Test("only the newest change is written; the older ones are superseded")
    func newest() {
        let changes = [change("a", "b", 1), change("b", "c", 2), change("c", "d", 3)]
        let plan = plan(TicketState(bookingID: "b", tag: "a"), changes)
        #expect(plan.outcomes == [.superseded, .superseded, .updated])
        #expect(
            plan.write
                == .init(version: KeptVersion(bookingID: "b", version: version(3), tag: "d"), tag: "d", writesTag: true, change: 2)
        )
        #expect((0...2).map(plan.depends) == [true, true, true])
    }

    @Test("a second copy of a change is stale only if the write succeeds")
    func twice() {
        let plan = plan(TicketState(bookingID: "b", tag: "a"), [change("x", "y", 0), change("a", "b", 1), change("a", "b", 1)])
        #expect(plan.outcomes == [.unexpectedStatus, .updated, .stale])
        #expect((0...2).map(plan.depends) == [false, true, true])
    }

    @Test("changes that cancel out write only a version")
    func back() {
        let plan = plan(TicketState(bookingID: "b", tag: "a"), [change("a", "b", 1), change("b", "a", 2)])
        #expect(plan.outcomes == [.superseded, .updated])
        #expect(plan.write?.writesTag == false)
    }

    @Test("a stale change causes no write, and a hand edit updates only the version")
    func stale() {
        let kept = KeptVersion(bookingID: "b", version: version(2), tag: "c")
        let byHand = plan(TicketState(bookingID: "b", tag: "a", kept: kept), [change("a", "b", 1), change("c", "d", 3)])
        #expect(byHand.outcomes == [.stale, .unexpectedStatus])
        #expect(byHand.write?.writesTag == false)
        #expect(byHand.write?.tag == "a")
    }

    @Test("a change whose tag cannot be written does not fail the others")
    func excluded() {
        let plan = plan(TicketState(bookingID: "b", tag: "a"), [change("a", "b", 1), change("b", "x", 2)], excluded: [1: .tagNotAccepted])
        #expect(plan.outcomes == [.updated, .tagNotAccepted])
        #expect(plan.write?.version.tag == "b")
        #expect(!plan.depends(onWrite: 1))
    }

    @Test("a batch has the same result as its changes one by one", arguments: 0..<300)
    func sequential(seed: Int) {
        var random = seed &* 7919 &+ 13
        func next(_ count: Int) -> Int {
            random = (random &* 1_103_515_245 &+ 12345) & 0x7fff_ffff
            return (random >> 8) % count
        }
        let tags: [String?] = ["a", "b", "c", nil]
        let kept = next(2) == 0 ? nil : KeptVersion(bookingID: "b", version: version(Int64(next(5))), tag: tags[next(4)])
        let ticket = TicketState(bookingID: "b", tag: tags[next(4)], kept: kept)
        let changes = (0..<3).map { change(tags[next(4)], tags[next(4)], Int64($0 * 2 + next(2)), isFresh: next(2) == 0) }
        let keepsVersions = next(4) > 0
        var state = ticket
        for change in changes {
            switch decide(state, change, keepsVersions: keepsVersions) {
            case .skip: break
            case .write:
                state.tag = change.to?.tag
                state.kept = change.kept
            case .writeVersion: state.kept = change.kept
            }
        }
        let plan = plan(ticket, changes, keepsVersions: keepsVersions)
        #expect((plan.write.map { $0.tag } ?? ticket.tag) == state.tag)
        #expect((plan.write?.version ?? ticket.kept) == state.kept)
    }
}
