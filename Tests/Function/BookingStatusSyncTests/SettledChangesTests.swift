import SpannerChangeStreams
import Testing

@testable import BookingStatusSync

@Suite("Settled changes")
struct SettledChangesTests {
    private static let committed = CommitTimestamp(rfc3339: "2026-11-24T08:00:00.000000Z")!

    private func record(_ number: Int, rows: Int = 1) -> [BookingChange] {
        let version = BookingVersion(commitTimestamp: Self.committed, recordSequence: "0", transactionID: "\(number)")
        return (0..<rows).map { change(of: "b-\($0)", from: .none, to: "Booked", version) }
    }

    @Test("a redelivered record continues with its unsettled rows, hopeless ones last")
    func continues() {
        let settled = SettledChanges()
        let changes = record(1, rows: 6)
        settled.remember([changes[0], changes[1]], hopeless: [changes[2]])
        settled.remember([changes[3]], hopeless: [])
        #expect(settled.open(changes, maximum: 10).changes.map(\.bookingID) == ["b-2", "b-4", "b-5"])
        let cut = settled.open(changes, maximum: 2)
        #expect(cut.changes.map(\.bookingID) == ["b-4", "b-5"])
        #expect(cut.left == 1)
        settled.forget(changes)
        #expect(settled.open(changes, maximum: 10).changes.count == changes.count)
    }

    @Test("all parts of the memory are bounded, and recently used records are kept", arguments: [true, false])
    func bounded(isHopeless: Bool) {
        let settled = SettledChanges(maximumRows: 80)
        func remember(_ changes: [BookingChange]) {
            settled.remember(isHopeless ? [] : changes, hopeless: isHopeless ? changes : [])
        }
        for number in 0..<2000 {
            remember(record(number, rows: number % 50 == 0 ? 60 : 1))
            if number.isMultiple(of: 20) { remember(record(7)) }
            #expect(settled.rows <= 160)
        }
        #expect(settled.rows >= 40)
        guard !isHopeless else { return }
        for (number, isKnown) in [(1999, true), (7, true), (0, false), (1500, false)] {
            #expect(settled.open(record(number), maximum: 100).changes.isEmpty == isKnown, "\(number)")
        }
    }

    @Test("a large record beside small ones keeps all of them")
    func beside() {
        let settled = SettledChanges(maximumRows: 80)
        for _ in 0..<10 {
            settled.remember(record(1, rows: 57), hopeless: [])
            for number in 2...4 { settled.remember(record(number, rows: 6), hopeless: []) }
        }
        for number in 2...4 { #expect(settled.open(record(number, rows: 6), maximum: 100).changes.isEmpty) }
        #expect(settled.open(record(1, rows: 60), maximum: 100).changes.count == 3)
    }
}
