import Logging
import SpannerChangeStreams
import Testing
import Zendesk

@testable import BookingStatusSync

/// Every path of a settlement, without a simulator. Events go in, and each action comes out as a
/// few words.
@Suite("Ticket settlement")
struct TicketSettlementTests {
    struct Path: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let events: [TicketSettlement.Event]
        let actions: [String]
        var changes = [change("a", "b", 2)]
        var keepsVersions = true
        var isDryRun = false
        var notes = TicketNotes()

        init(
            _ description: String,
            _ events: [TicketSettlement.Event],
            _ actions: [String],
            _ arrange: (inout Path) -> Void = { _ in }
        ) {
            testDescription = description
            (self.events, self.actions) = (events, actions)
            arrange(&self)
        }
    }

    // MARK: Words

    private static let now = 1_795_464_900.0

    static func change(_ from: String?, _ to: String?, _ seconds: Int64) -> BookingChange {
        BookingStatusSyncTests.change(of: "bk", from: from.map { .tag($0) } ?? .none, to: to, version(seconds))
    }

    private static func kept(_ seconds: Int64, _ tag: String?) -> KeptVersion {
        KeptVersion(bookingID: "bk", version: version(seconds), tag: tag)
    }

    /// A ticket last updated `age` seconds before it was read.
    private static func ticket(_ tag: String?, _ version: KeptVersion? = nil, age: Int64 = 60, status: String = "open") -> Ticket {
        var fields: [Int: FieldValue] = [1: .text("bk")]
        if let tag { fields[2] = .text(tag) }
        if let version { fields[3] = .text(version.text) }
        let stamp = Int64(now) - age
        return Ticket(id: 7, status: status, updatedStamp: stampText(stamp), customFields: fields)
    }

    private static func stampText(_ seconds: Int64) -> String {
        let inDay = (seconds - 1_795_392_000)
        func two(_ number: Int64) -> String { number < 10 ? "0\(number)" : "\(number)" }
        return "2026-11-23T\(two(inDay / 3600)):\(two(inDay / 60 % 60)):\(two(inDay % 60))Z"
    }

    private static func read(_ ticket: Ticket, hasDate: Bool = true) -> TicketSettlement.Event {
        .reading(TicketReading(ticket: ticket, readAt: hasDate ? Int64(now) : nil))
    }

    private static func written(_ ticket: Ticket, by version: KeptVersion, replaced: String?? = .none) -> TicketSettlement.Event {
        var fields: [Int: String?] = [:]
        if let replaced { fields.updateValue(replaced, forKey: 2) }
        return .written(TicketUpdateAnswer(ticket: ticket, audit: TicketAudit(metadata: ["version": version.text], replaced: fields)))
    }

    private static func failed(_ kind: ZendeskError.Kind, status: Int? = nil, after: Duration? = nil) -> TicketSettlement.Event {
        .failed(ZendeskError(kind, status: status, retryAfter: after, "x"))
    }

    private static func describe(_ action: TicketSettlement.Action) -> String {
        func fields(_ update: TicketUpdate) -> String {
            let status = update.customFields[2].map { "\($0 ?? "nothing")" }
            let version = update.customFields[3].map { $0?.split(separator: " ").first.map(String.init) ?? "none" }
            return [status, version.map { "version \($0)" }].compactMap(\.self).joined(separator: ", ")
        }
        switch action {
        case .read(let pause): return "read after \(pause / .milliseconds(1))"
        case .askOption(let tag): return "ask \(tag)"
        case .readAudits: return "audits"
        case .write(let update, let mayShare): return "write\(mayShare ? "" : " alone") \(fields(update))"
        case .takeBack(let update): return "take back \(fields(update))"
        case .done(let results, let notes):
            let outcomes = results.map { $0.outcome.rawValue + ($0.needsPerson ? "!" : "") + ($0.isRefusal ? "?" : "") }
            return "done \(outcomes.joined(separator: " "))" + (notes.owed == nil ? "" : ", owed")
        }
    }

    // MARK: Paths

    private static let new = kept(2, "b")
    private static let done = ticket("b", new, age: 0)
    private static let dropped = ticket("a", new, age: 0)
    private static let droppedAudits = TicketSettlement.Event.audits([
        TicketAudit(metadata: ["version": new.text, "status": "b"], replaced: [3: nil as String?])
    ])
    private static let owed = TakeBack(written: new, stamp: ticket("a").updatedStamp, formerVersion: "a", status: "x")

    static let paths: [Path] = [
        Path(
            "a change is written",
            [read(ticket("a")), .option(exists: true), written(done, by: new, replaced: "a")],
            [
                "ask b", "write b, version b", "done updated",
            ]
        ),
        Path(
            "an emptied status needs no option",
            [read(ticket("a")), written(ticket(nil, kept(2, nil)), by: kept(2, nil))],
            [
                "write nothing, version none", "done cleared",
            ]
        ) { $0.changes = [change("a", nil, 2)] },
        Path("the right status gets a version alone", [read(ticket("b")), written(done, by: new)], ["write version b", "done unchanged"]),
        Path("nothing to do", [read(ticket("c"))], ["done unexpected_status"]),
        Path("the ticket is gone", [.gone], ["done gone"]),
        Path("a dry run writes nothing", [read(ticket("a"))], ["done dry_run"]) { $0.isDryRun = true },
        Path(
            "without a version field the status alone is written",
            [read(ticket("a")), .option(exists: true), written(ticket("b"), by: new)],
            [
                "ask b", "write b", "done updated",
            ]
        ) { $0.keepsVersions = false },
        Path(
            "several changes cost one write",
            [read(ticket("a")), .option(exists: true), written(ticket("c", kept(3, "c")), by: kept(3, "c"))],
            [
                "ask c", "write c, version c", "done superseded updated",
            ]
        ) { $0.changes = [change("a", "b", 2), change("b", "c", 3)] },

        // Options
        Path("a missing option", [read(ticket("a")), .option(exists: false)], ["ask b", "done tag_not_accepted"]),
        Path(
            "a missing option leaves the change before it",
            [read(ticket("a")), .option(exists: false), .option(exists: true), written(done, by: new)],
            [
                "ask c", "ask b", "write b, version b", "done updated tag_not_accepted",
            ]
        ) { $0.changes = [change("a", "b", 2), change("b", "c", 3)] },
        Path("the field is gone", [read(ticket("a")), failed(.misconfigured, status: 404)], ["ask b", "done deferred!"]),

        // Stamps
        Path(
            "a young stamp",
            [read(ticket("a", age: 1)), read(ticket("a")), .option(exists: true), written(done, by: new)],
            ["read after 1050.0", "ask b", "write b, version b", "done updated"]
        ),
        Path(
            "a young stamp by a clock that is behind ours",
            [read(ticket("a", age: 1)), read(ticket("a", age: 1)), read(ticket("a")), .option(exists: true), written(done, by: new)],
            ["read after 1050.0", "read after 2000.0", "ask b", "write b, version b", "done updated"]
        ),
        Path("a stamp ahead of the clock", [read(ticket("a", age: -50))], ["done deferred"]),
        Path(
            "a ticket that changes every other second",
            (0...4).map { read(ticket("a", age: 1 - $0 % 2)) },
            ["read after 1050.0", "read after 2000.0", "read after 2000.0", "read after 2000.0", "done conflict"]
        ),

        // Failed writes
        Path(
            "a conflict, and what it was about",
            [read(ticket("a")), .option(exists: true), failed(.conflict, status: 409), read(ticket("c"))],
            [
                "ask b", "write b, version b", "read after 150.0", "done unexpected_status",
            ]
        ),
        Path(
            "conflicts without end",
            (0..<5).flatMap { _ in [read(ticket("a")), .option(exists: true), failed(.conflict, status: 409)] },
            ["ask b", "write b, version b", "read after 150.0"]
                + (2..<5).flatMap { ["ask b", "write alone b, version b", "read after \(Double($0) * 150)"] } + [
                    "ask b", "write alone b, version b", "done conflict",
                ]
        ),
        Path(
            "a lost answer of a write that had its effect",
            [read(ticket("a")), .option(exists: true), failed(.outcomeUnknown), read(done)],
            [
                "ask b", "write b, version b", "read after 150.0", "done updated",
            ]
        ),
        Path(
            "a lost answer of a write that had none",
            [
                read(ticket("a")), .option(exists: true), failed(.outcomeUnknown), read(ticket("a")), .option(exists: true),
                written(done, by: new),
            ],
            ["ask b", "write b, version b", "read after 150.0", "ask b", "write alone b, version b", "done updated"]
        ),

        // Jobs, whose result only a reading shows
        Path(
            "a job that wrote",
            [read(ticket("a")), .option(exists: true), read(done)],
            ["ask b", "write b, version b", "done updated"]
        ),
        Path(
            "a job that did not write: the answer to a second update says why",
            [
                read(ticket("a")), .option(exists: true), read(ticket("a")), .option(exists: true), failed(.rejected, status: 422),
                read(ticket("a")),
            ],
            ["ask b", "write b, version b", "ask b", "write alone b, version b", "read after 0.0", "done rejected"]
        ),
        Path(
            "a job, and a person who was faster",
            [read(ticket("a")), .option(exists: true), read(ticket("c"))],
            ["ask b", "write b, version b", "done unexpected_status"]
        ),
        Path(
            "a job that lost the tag, and the metadata",
            [
                read(ticket("a")), .option(exists: true), read(ticket("a", new)),
                .audits([TicketAudit(metadata: [:], replaced: [3: nil as String?], set: [3: new.text])]),
                written(ticket("a"), by: new),
            ],
            ["ask b", "write b, version b", "audits", "take back version none", "read after 0.0"]
        ),
        Path(
            "a ticket that was gone when the job was over",
            [read(ticket("a")), .option(exists: true), .gone],
            ["ask b", "write b, version b", "done gone"]
        ),
        Path(
            "Zendesk is down",
            [read(ticket("a")), .option(exists: true), failed(.unavailable, after: .seconds(60))],
            [
                "ask b", "write b, version b", "done deferred",
            ]
        ),
        Path(
            "no place in the budget",
            [read(ticket("a")), .option(exists: true), failed(.limited(.account), after: .seconds(9))],
            [
                "ask b", "write b, version b", "done deferred?",
            ]
        ),
        Path(
            "the ticket's own limit",
            [read(ticket("a")), .option(exists: true), failed(.limited(.ticket), status: 429, after: .seconds(400))],
            [
                "ask b", "write b, version b", "done deferred",
            ]
        ),
        Path(
            "the reading after it fails",
            [read(ticket("a")), .option(exists: true), failed(.conflict), failed(.unavailable)],
            [
                "ask b", "write b, version b", "read after 150.0", "done deferred",
            ]
        ),
        Path(
            "refused, since it is closed",
            [read(ticket("a")), .option(exists: true), failed(.rejected, status: 422), read(ticket("a", status: "closed"))],
            [
                "ask b", "write b, version b", "read after 0.0", "done closed",
            ]
        ),
        Path(
            "refused for good",
            [read(ticket("a")), .option(exists: true), failed(.rejected, status: 422), read(ticket("a"))],
            [
                "ask b", "write b, version b", "read after 0.0", "done rejected",
            ]
        ),
        Path(
            "deleted meanwhile",
            [read(ticket("a")), .option(exists: true), failed(.notFound, status: 404)],
            [
                "ask b", "write b, version b", "done gone",
            ]
        ),
        Path(
            "the version field keeps nothing",
            [read(ticket("a")), .option(exists: true), written(ticket("b"), by: new)],
            [
                "ask b", "write b, version b", "done deferred!",
            ]
        ),

        // Dropped tags
        Path(
            "a dropped tag is taken back",
            [
                read(ticket("a", kept(1, "a"))), .option(exists: true), written(dropped, by: new), .written(.init(ticket: ticket("a"))),
                read(ticket("a", kept(1, "a"))),
            ],
            ["ask b", "write b, version b", "take back version a", "read after 0.0", "done tag_not_accepted"]
        ),
        Path(
            "taking back fails, and the audits tell it to the next delivery",
            [read(ticket("a")), .option(exists: true), written(dropped, by: new)]
                + (0..<4).flatMap { _ in [failed(.conflict), read(dropped), droppedAudits] } + [failed(.conflict)],
            ["ask b", "write b, version b", "take back version none"]
                + (1..<5).flatMap { ["read after \(Double($0) * 150)", "audits", "take back version none"] } + ["done conflict"]
        ),
        Path(
            "a person's status that our tag replaced is put back first",
            [
                read(ticket("b", new)), .written(.init(ticket: ticket("x"))), read(ticket("x")),
            ],
            ["take back x, version a", "read after 0.0", "done unexpected_status"]
        ) { $0.notes.owed = owed },
        Path(
            "what is owed is not forgotten because of a reading from before our write",
            [read(ticket("x", age: 90)), read(ticket("b", new, age: 60)), .written(.init(ticket: ticket("x"))), read(ticket("x"))],
            ["read after 0.0", "take back x, version a", "read after 0.0", "done unexpected_status"]
        ) { $0.notes.owed = owed },
        Path("what is owed on a ticket that was closed", [read(ticket("b", new, age: 0, status: "closed"))], ["done closed"]) {
            $0.notes.owed = owed
        },
        Path("what is owed, and was replaced since", [read(ticket("c", kept(3, "c")))], ["done stale"]) { $0.notes.owed = owed },
        Path(
            "what is owed stays so while the version is not shown on a ticket that is as we left it",
            [read(ticket("a"))],
            ["done deferred!, owed"]
        ) {
            $0.notes.owed = owed
        },
        Path(
            "and is forgotten a minute later, when the fields have been looked at again",
            [read(ticket("a")), .option(exists: true), written(done, by: new, replaced: "a")],
            ["ask b", "write b, version b", "done updated"]
        ) {
            $0.notes.owed = owed
            $0.notes.owed?.missingSince = .seconds(39)
        },
        Path(
            "a version without its tag, dropped as the audits say",
            [
                read(dropped), droppedAudits,
                .written(.init(ticket: ticket("a"))), read(ticket("a")), .option(exists: true), written(done, by: new),
            ],
            ["audits", "take back version none", "read after 0.0", "ask b", "write b, version b", "done updated"]
        ),
        Path(
            "a dry run takes nothing back",
            [read(dropped), droppedAudits],
            ["audits", "done dry_run"]
        ) { $0.isDryRun = true },
        Path(
            "a version without its tag, which a person replaced",
            [read(dropped), .audits([TicketAudit(metadata: ["version": new.text, "status": "b"], replaced: [2: "a"])]), read(dropped)],
            ["audits", "read after 0.0", "done stale"]
        ),
        Path(
            "a version that was written alone is no dropped tag",
            [read(dropped), .audits([TicketAudit(metadata: ["version": new.text], replaced: [3: nil as String?])]), read(dropped)],
            ["audits", "read after 0.0", "done stale"]
        ),
        Path(
            "a version that the audits do not know",
            [read(dropped), .audits([]), read(dropped)],
            ["audits", "read after 0.0", "done stale"]
        ),
        Path("a version that was looked up before", [read(dropped)], ["done stale"]) { $0.notes.verified = new.text },
        Path("audits that cannot be read", [read(dropped), failed(.unavailable)], ["audits", "done deferred"]),
        Path(
            "a lost answer, and a person put the old status back",
            [
                read(ticket("a")), .option(exists: true), failed(.outcomeUnknown), read(dropped),
                .audits([TicketAudit(metadata: ["version": new.text, "status": "b"], replaced: [2: "a"])]),
            ],
            ["ask b", "write b, version b", "read after 150.0", "audits", "done updated"]
        ),

        // Edits within the second
        Path(
            "a person's status that was replaced is put back, with an old stamp",
            [
                read(ticket("a")), .option(exists: true), written(done, by: new, replaced: "c"), read(ticket("b", new, age: 60)),
                .written(.init(ticket: ticket("c"))), read(ticket("c")),
            ],
            ["ask b", "write b, version b", "read after 2000.0", "take back c, version none", "read after 0.0", "done unexpected_status"]
        ),
        Path(
            "a person's status that was replaced, and set anew since, is left alone",
            [
                read(ticket("a")), .option(exists: true), written(done, by: new, replaced: "c"), read(ticket("d", new, age: 60)),
                .audits([TicketAudit(metadata: ["version": new.text, "status": "b"], replaced: [2: "c"])]), read(ticket("d", new, age: 60)),
            ],
            ["ask b", "write b, version b", "read after 2000.0", "audits", "read after 0.0", "done stale"]
        ),
        Path(
            "an emptied field that an audit calls empty is no edit",
            [read(ticket(nil)), .option(exists: true), written(done, by: new, replaced: .some(nil))],
            ["ask b", "write b, version b", "done added"]
        ),
        Path(
            "the audit of an older update says nothing",
            [read(ticket("a")), .option(exists: true), written(done, by: kept(1, "x"), replaced: "x")],
            ["ask b", "write b, version b", "done updated"]
        ),
    ]

    @Test("follows each path to its end", arguments: paths)
    func path(_ path: Path) {
        var settings = BookingStatusSettings(bookingIDField: 1, bookingStatusField: 2, tags: [:])
        settings.bookingVersionField = path.keepsVersions ? 3 : nil
        settings.dryRun = path.isDryRun
        var settlement = TicketSettlement(
            ticket: 7,
            changes: path.changes,
            settings: settings,
            rule: { decide($0, $1, keepsVersions: $2) },
            notes: path.notes
        )
        var actions: [String] = []
        for event in path.events {
            let moment = TicketSettlement.Moment(now: .seconds(100), secondsSince1970: Self.now, remaining: .seconds(30), random: 0.5)
            actions.append(Self.describe(settlement.next(event, at: moment)))
        }
        #expect(actions == path.actions)
    }

    @Test("does not pause if too little time remains")
    func remaining() {
        var settlement = TicketSettlement(
            ticket: 7,
            changes: [Self.change("a", "b", 2)],
            settings: BookingStatusSettings(bookingIDField: 1, bookingStatusField: 2, bookingVersionField: 3, tags: [:]),
            rule: { decide($0, $1, keepsVersions: $2) }
        )
        let moment = TicketSettlement.Moment(now: .zero, secondsSince1970: Self.now, remaining: .seconds(1), random: 0.5)
        #expect(Self.describe(settlement.next(Self.read(Self.ticket("a", age: 1)), at: moment)) == "done deferred?")
    }

    @Test("without a date, a stamp is old after it has been seen for two seconds")
    func noDate() {
        var settlement = TicketSettlement(
            ticket: 7,
            changes: [Self.change("a", "b", 2)],
            settings: BookingStatusSettings(bookingIDField: 1, bookingStatusField: 2, bookingVersionField: 3, tags: [:]),
            rule: { decide($0, $1, keepsVersions: $2) }
        )
        var actions: [String] = []
        for now in [Duration.seconds(5), .seconds(6), .seconds(7)] {
            let moment = TicketSettlement.Moment(now: now, secondsSince1970: Self.now, remaining: .seconds(30), random: 0.5)
            actions.append(Self.describe(settlement.next(Self.read(Self.ticket("a"), hasDate: false), at: moment)))
        }
        #expect(actions == ["read after 2000.0", "read after 1000.0", "ask b"])
    }
}
