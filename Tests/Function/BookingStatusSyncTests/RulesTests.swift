import BookingStatusSync
import SpannerChangeStreams
import Testing

/// A row of the table in `decide`'s documentation, or a near miss.
struct RuleCase: CustomTestStringConvertible, Sendable {
    var testDescription: String
    var ticket = TicketState(bookingID: "b", tag: "old")
    var change = ChangeCase()
    var keepsVersions = true
    var decision: Decision

    init(_ description: String, _ decision: Decision, _ arrange: (inout RuleCase) -> Void = { _ in }) {
        testDescription = description
        self.decision = decision
        arrange(&self)
    }
}

/// What a change tells the rules.
struct ChangeCase: Sendable {
    var from = FormerStatus.tag("old")
    var to: String? = "new"
    var isFresh = false
    var source = ChangeCause.Source.stream

    var change: BookingChange { BookingStatusSyncTests.change(of: "b", from: from, to: to, version(2), isFresh: isFresh, source: source) }
}

private func kept(_ seconds: Int64, tag: String?, transaction: String? = nil) -> KeptVersion {
    KeptVersion(bookingID: "b", version: version(seconds, transaction: transaction), tag: tag)
}

@Suite("The rules")
struct RulesTests {
    static let sweepCases: [RuleCase] = [
        RuleCase("an empty field without a version is filled", .write(.added)) { $0.ticket.tag = nil },
        RuleCase("an empty field with an older version of another status is filled", .write(.added)) {
            $0.ticket.tag = nil
            $0.ticket.kept = kept(1, tag: "old")
        },
        RuleCase("an empty field whose version names this very status was emptied by a person", .skip(.unexpectedStatus)) {
            $0.ticket.tag = nil
            $0.ticket.kept = kept(1, tag: "new")
        },
        RuleCase("what we wrote last and nobody touched follows", .write(.updated)) { $0.ticket.kept = kept(1, tag: "old") },
        RuleCase("a newer version makes the reading stale", .skip(.stale)) { $0.ticket.kept = kept(3, tag: "old") },
        RuleCase("a version of the same millisecond cannot be ordered, and is left alone", .skip(.unexpectedStatus)) {
            $0.ticket.kept = kept(2, tag: "old", transaction: "other")
        },
        RuleCase("the right status gets its first version", .writeVersion(.unchanged)) { $0.ticket.tag = "new" },
        RuleCase("the right status keeps an older version", .skip(.unchanged)) {
            $0.ticket.tag = "new"
            $0.ticket.kept = kept(1, tag: "new")
        },
        RuleCase("nothing is written without a version field where the status is right", .skip(.unchanged)) {
            $0.ticket.tag = "new"
            $0.keepsVersions = false
        },
        RuleCase("a status without a version was set by hand", .skip(.unexpectedStatus)),
        RuleCase("what a person changed keeps its version", .skip(.unexpectedStatus)) {
            $0.ticket.tag = "by hand"
            $0.ticket.kept = kept(1, tag: "old")
        },
        RuleCase("what we wrote for another booking is replaced", .write(.updated)) { $0.ticket.isLeftover = true },
        RuleCase("what we wrote for another booking is taken back, if the new one is not there", .write(.cleared)) {
            ($0.change.to, $0.change.source) = (nil, .sweepWithoutBooking)
            $0.ticket.isLeftover = true
        },
        RuleCase("a closed ticket is skipped", .skip(.closed)) { $0.ticket.isClosed = true },
        RuleCase("of a booking that is not there, what we wrote is taken back", .write(.cleared)) {
            ($0.change.to, $0.change.source) = (nil, .sweepWithoutBooking)
            $0.ticket.kept = kept(1, tag: "old")
        },
        RuleCase("of a booking that is not there, what a person set stays", .skip(.unknownBooking)) {
            ($0.change.to, $0.change.source) = (nil, .sweepWithoutBooking)
            $0.ticket.kept = kept(1, tag: "other")
        },
        RuleCase("of a booking that is not there, a status without a version stays", .skip(.unknownBooking)) {
            ($0.change.to, $0.change.source) = (nil, .sweepWithoutBooking)
        },
        RuleCase("a ticket that names no booking any more loses what we wrote", .write(.cleared)) {
            ($0.change.to, $0.change.source) = (nil, .sweepWithoutBookingID)
            ($0.ticket.bookingID, $0.ticket.isLeftover) = (nil, true)
        },
        RuleCase("a ticket that names no booking any more keeps what a person set", .skip(.otherBooking)) {
            ($0.change.to, $0.change.source) = (nil, .sweepWithoutBookingID)
            $0.ticket.bookingID = nil
        },
        RuleCase("a ticket that names a booking again is left alone", .skip(.otherBooking)) {
            ($0.change.to, $0.change.source) = (nil, .sweepWithoutBookingID)
            $0.ticket.isLeftover = true
        },
        RuleCase("of a booking that is not there, an empty ticket stays as it is", .skip(.unknownBooking)) {
            ($0.change.to, $0.change.source) = (nil, .sweepWithoutBooking)
            $0.ticket.tag = nil
        },
    ]

    @Test("a sweep decides by the same table, with three differences", arguments: sweepCases)
    func sweeps(example: RuleCase) {
        var change = example.change
        change.from = .unknown
        if change.source == .stream { change.source = .sweep }
        #expect(decide(example.ticket, change.change, keepsVersions: example.keepsVersions) == example.decision)
    }

    static let cases: [RuleCase] = [
        RuleCase("row 1: a closed ticket is skipped", .skip(.closed)) { $0.ticket.isClosed = true },
        RuleCase("row 9: a change leaves what was written for another booking to the sweep", .skip(.unexpectedStatus)) {
            $0.ticket.tag = "other"
            $0.ticket.isLeftover = true
        },
        RuleCase("row 1 comes before row 2", .skip(.closed)) {
            $0.ticket.isClosed = true
            $0.ticket.bookingID = "c"
        },
        RuleCase("row 2: a ticket of another booking is skipped", .skip(.otherBooking)) { $0.ticket.bookingID = "b-1" },
        RuleCase("row 2: booking IDs are compared exactly", .skip(.otherBooking)) { $0.ticket.bookingID = "B" },
        RuleCase("row 2: a ticket without a booking is skipped", .skip(.otherBooking)) { $0.ticket.bookingID = nil },
        RuleCase("row 3: the change's own version is stale", .skip(.stale)) { $0.ticket.kept = kept(2, tag: "old") },
        RuleCase("row 3: a newer version makes the change stale", .skip(.stale)) { $0.ticket.kept = kept(3, tag: "old") },
        RuleCase("row 3 comes before row 4", .skip(.stale)) {
            $0.ticket.kept = kept(2, tag: "new")
            $0.ticket.tag = "new"
        },
        RuleCase("row 3 comes before row 5", .skip(.stale)) {
            $0.ticket.kept = kept(3, tag: nil)
            $0.ticket.tag = nil
        },
        RuleCase("row 3 missed: an older version does not make it stale", .write(.updated)) { $0.ticket.kept = kept(1, tag: "other") },
        RuleCase("row 3 missed: an unordered version does not make it stale", .write(.updated)) {
            $0.ticket.kept = kept(2, tag: "old", transaction: "other")
        },
        RuleCase("row 3 missed: without a version field", .write(.updated)) {
            $0.ticket.kept = kept(3, tag: "old")
            $0.keepsVersions = false
        },
        RuleCase("row 4: the right status gets a newer version", .writeVersion(.unchanged)) {
            $0.ticket.tag = "new"
            $0.ticket.kept = kept(1, tag: "new")
        },
        RuleCase("row 4: the right status gets its first version", .writeVersion(.unchanged)) { $0.ticket.tag = "new" },
        RuleCase("row 4: a version that cannot be ordered is not replaced", .skip(.unchanged)) {
            $0.ticket.tag = "new"
            $0.ticket.kept = kept(2, tag: "new", transaction: "other")
        },
        RuleCase("row 4: nothing is written without a version field", .skip(.unchanged)) {
            $0.ticket.tag = "new"
            $0.keepsVersions = false
        },
        RuleCase("row 4: an empty field is right for a deleted booking", .writeVersion(.unchanged)) {
            $0.ticket.tag = nil
            $0.change.to = nil
        },
        RuleCase("row 4 comes before row 8", .writeVersion(.unchanged)) {
            $0.ticket.tag = "new"
            $0.change.isFresh = true
        },
        RuleCase("row 5: an empty field is filled", .write(.added)) { $0.ticket.tag = nil },
        RuleCase("row 5: an empty field is filled, whatever was before", .write(.added)) {
            $0.ticket.tag = nil
            $0.change.from = .unknown
            $0.ticket.kept = kept(1, tag: "other")
        },
        RuleCase(
            "row 5: without old values, a field that a person emptied stays empty, and the version moves",
            .writeVersion(.unexpectedStatus)
        ) {
            $0.ticket.tag = nil
            $0.change.from = .unknown
            $0.ticket.kept = kept(1, tag: "new")
        },
        RuleCase("row 5: the same within one millisecond leaves the version", .skip(.unexpectedStatus)) {
            $0.ticket.tag = nil
            $0.change.from = .unknown
            $0.ticket.kept = kept(2, tag: "new", transaction: "other")
        },
        RuleCase(
            "row 5: an empty field whose version, of the same millisecond, names this very status was emptied by a person",
            .skip(.unexpectedStatus)
        ) {
            $0.ticket.tag = nil
            $0.ticket.kept = kept(2, tag: "new", transaction: "other")
        },
        RuleCase("row 5: with old values the status has changed since, and is filled", .write(.added)) {
            $0.ticket.tag = nil
            $0.ticket.kept = kept(1, tag: "new")
        },
        RuleCase("row 6 missed: an old status without a tag is shown by no ticket", .skip(.unexpectedStatus)) {
            $0.change.from = .untagged
        },
        RuleCase("row 5 comes before row 8", .write(.added)) {
            $0.ticket.tag = nil
            $0.change.isFresh = true
        },
        RuleCase("row 5: also without a version field", .write(.added)) {
            $0.ticket.tag = nil
            $0.keepsVersions = false
        },
        RuleCase("row 6: the change's old status is replaced", .write(.updated)),
        RuleCase("row 6: also without a version field", .write(.updated)) { $0.keepsVersions = false },
        RuleCase("row 6: the status of a deleted booking is cleared", .write(.cleared)) { $0.change.to = nil },
        RuleCase("row 6 comes before row 8", .write(.updated)) { $0.change.isFresh = true },
        RuleCase("row 6: a person may have set it to what the change expects", .write(.updated)) { $0.ticket.kept = kept(1, tag: "other") },
        RuleCase("row 7: what we wrote last is replaced, though a change between was missed", .write(.updated)) {
            $0.ticket.tag = "older"
            $0.ticket.kept = kept(1, tag: "older")
        },
        RuleCase("row 7: also if the old status is not known", .write(.updated)) {
            $0.change.from = .unknown
            $0.ticket.kept = kept(1, tag: "old")
        },
        RuleCase("row 7: a deleted booking's status is cleared", .write(.cleared)) {
            $0.change.from = .unknown
            $0.change.to = nil
            $0.ticket.kept = kept(1, tag: "old")
        },
        RuleCase(
            "row 9: a person changed what we wrote; the version moves, so that no older change passes",
            .writeVersion(.unexpectedStatus)
        ) {
            $0.ticket.tag = "by hand"
            $0.ticket.kept = kept(1, tag: "older")
        },
        RuleCase("row 7 missed: the version cannot be ordered", .skip(.unexpectedStatus)) {
            $0.ticket.tag = "older"
            $0.ticket.kept = kept(2, tag: "older", transaction: "other")
        },
        RuleCase("row 7 missed: without a version field", .skip(.unexpectedStatus)) {
            $0.ticket.tag = "older"
            $0.ticket.kept = kept(1, tag: "older")
            $0.keepsVersions = false
        },
        RuleCase("row 8: a fresh change waits for the one before it", .skip(.waiting)) {
            $0.ticket.tag = "older"
            $0.change.isFresh = true
        },
        RuleCase("row 8: also if the old status is not known", .skip(.waiting)) {
            $0.change.from = .unknown
            $0.change.isFresh = true
        },
        RuleCase("row 8 missed: the change is no longer fresh", .skip(.unexpectedStatus)) { $0.ticket.tag = "older" },
        RuleCase("row 8 missed: the ticket carries a version", .writeVersion(.unexpectedStatus)) {
            $0.ticket.tag = "by hand"
            $0.ticket.kept = kept(1, tag: "older")
            $0.change.isFresh = true
        },
        RuleCase("row 8 missed: without a version field", .skip(.unexpectedStatus)) {
            $0.ticket.tag = "older"
            $0.change.isFresh = true
            $0.keepsVersions = false
        },
        RuleCase("row 9: what a person set stays", .skip(.unexpectedStatus)) { $0.ticket.tag = "by hand" },
        RuleCase("row 9: without a version field", .skip(.unexpectedStatus)) {
            $0.ticket.tag = "by hand"
            $0.ticket.kept = kept(1, tag: "older")
            $0.keepsVersions = false
        },
        RuleCase("row 9: an unknown old status matches nothing", .skip(.unexpectedStatus)) { $0.change.from = .unknown },
    ]

    @Test("each row applies where it should, and not to a near miss", arguments: cases)
    func row(_ rule: RuleCase) {
        #expect(decide(rule.ticket, rule.change.change, keepsVersions: rule.keepsVersions) == rule.decision)
    }

    @Test("without a version field, rows 3, 7 and 8 never apply")
    func noVersions() {
        for rule in Self.cases {
            let decision = decide(rule.ticket, rule.change.change, keepsVersions: false)
            #expect(decision != .skip(.stale) && decision != .skip(.waiting) && decision != .writeVersion(.unchanged))
            var bare = rule.ticket
            bare.kept = nil
            var stale = rule.change
            stale.isFresh = false
            #expect(decide(bare, stale.change, keepsVersions: false) == decision)
        }
    }
}
