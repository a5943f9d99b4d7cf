import BookingStatusSync
import Logging
public import SpannerChangeStreams
import Testing

@Suite("Status changes in a record")
struct BookingChangeTests {
    private typealias Values = [String: ColumnValue]
    private static let settings = BookingStatusSettings(bookingIDField: 1, bookingStatusField: 2, tags: ["Booked": "booked"])

    struct Case: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let modType: DataChangeRecord.ModType
        let old: [String: ColumnValue]
        let new: [String: ColumnValue]
        /// Nil if the status did not change.
        let expected: Expected?

        struct Expected: Equatable, Sendable {
            let from: FormerStatus
            let to: BookingStatus?
        }
    }

    private static let inTags = BookingStatus(name: "Booked", tag: "booked")
    private static let withoutTag = BookingStatus(name: "Tentative", tag: nil)
    private static let booked: Values = ["Status": "Booked"]
    private static let tentative: Values = ["Status": "Tentative"]

    static let cases: [Case] = [
        .init(testDescription: "insert", modType: .insert, old: [:], new: booked, expected: .init(from: .none, to: inTags)),
        .init(testDescription: "insert without a status", modType: .insert, old: [:], new: ["Status": .null], expected: nil),
        .init(testDescription: "insert, keys only", modType: .insert, old: [:], new: [:], expected: nil),
        .init(
            testDescription: "update, OLD_AND_NEW_VALUES",
            modType: .update,
            old: tentative,
            new: booked,
            expected: .init(from: .status(withoutTag), to: inTags)
        ),
        .init(testDescription: "update to the same value", modType: .update, old: booked, new: booked, expected: nil),
        .init(testDescription: "update of another column", modType: .update, old: ["Note": "a"], new: ["Note": "b"], expected: nil),
        .init(
            testDescription: "update, NEW_VALUES or NEW_ROW",
            modType: .update,
            old: [:],
            new: booked,
            expected: .init(from: .unknown, to: inTags)
        ),
        .init(
            testDescription: "update, NEW_ROW_AND_OLD_VALUES",
            modType: .update,
            old: tentative,
            new: ["Status": "Booked", "Note": "b"],
            expected: .init(from: .status(withoutTag), to: inTags)
        ),
        .init(
            testDescription: "update of another column, NEW_ROW_AND_OLD_VALUES",
            modType: .update,
            old: ["Note": "a"],
            new: ["Status": "Booked", "Note": "b"],
            expected: nil
        ),
        .init(
            testDescription: "update from NULL",
            modType: .update,
            old: ["Status": .null],
            new: booked,
            expected: .init(from: .none, to: inTags)
        ),
        .init(
            testDescription: "update to NULL",
            modType: .update,
            old: booked,
            new: ["Status": .null],
            expected: .init(from: .status(inTags), to: nil)
        ),
        .init(
            testDescription: "update of an integer column",
            modType: .update,
            old: ["Status": "1"],
            new: ["Status": .integer(2)],
            expected: .init(from: .status(BookingStatus(name: "1", tag: nil)), to: BookingStatus(name: "2", tag: nil))
        ),
        .init(testDescription: "delete", modType: .delete, old: booked, new: [:], expected: .init(from: .status(inTags), to: nil)),
        .init(
            testDescription: "delete, NEW_VALUES or NEW_ROW",
            modType: .delete,
            old: [:],
            new: [:],
            expected: .init(from: .unknown, to: nil)
        ),
    ]

    @Test("a row's status change is read for each value capture type", arguments: cases)
    func statuses(of row: Case) throws {
        let record = record(row.modType, [.init(keys: ["ID": "b"], oldValues: row.old, newValues: row.new)])
        let changes = try changes(in: record)
        #expect(changes.map { Case.Expected(from: $0.from, to: $0.to) } == (row.expected.map { [$0] } ?? []))
        #expect(changes.allSatisfy { $0.bookingID == "b" && $0.version == version(1) })
    }

    @Test("a record yields one change per row, in order")
    func severalRows() throws {
        let mods = ["c", "a", "b"].map { DataChangeRecord.Mod(keys: ["ID": .string($0)], newValues: Self.booked) }
        #expect(try changes(in: record(.insert, mods)).map(\.bookingID) == ["c", "a", "b"])
    }

    @Test("records of other tables are refused, unless they are ignored", arguments: [[], ["Guests"], ["Guests", "Rooms"], nil])
    func otherTable(ignored: Set<String>?) throws {
        var record = record(.insert, [.init(keys: ["Room": "1"], newValues: Self.booked)])
        record.tableName = "Rooms"
        var settings = Self.settings
        settings.ignoredTables = ignored
        if ignored?.contains("Rooms") ?? true {
            #expect(try changes(in: record, settings).isEmpty)
        } else {
            let error = #expect(throws: UnusableRecord.self) { try changes(in: record, settings) }
            #expect(error?.outcome == .otherTable)
        }
    }

    @Test("a row without a key is left out and counted, and the others stay")
    func nullKey() throws {
        let mods = [ColumnValue.string("a"), .null, .string("b")].map { DataChangeRecord.Mod(keys: ["ID": $0], newValues: Self.booked) }
        let found = try BookingChange.changes(in: record(.insert, mods), Self.settings, cause: Self.cause)
        #expect(found.changes.map(\.bookingID) == ["a", "b"])
        #expect(found.rowsWithoutKey == 1)
    }

    @Test("an integer key is also a booking ID", arguments: [ColumnValue.string("42"), .integer(42)])
    func integerKey(key: ColumnValue) throws {
        let record = record(.insert, [.init(keys: ["ID": key, "Night": "2026-11-24"], newValues: Self.booked)])
        #expect(try changes(in: record).map(\.bookingID) == ["42"])
    }

    @Test("an unusable record is refused")
    func unusable() {
        #expect(throws: UnusableRecord.self) {
            try changes(in: record(.insert, [.init(keys: ["Key": "1"], newValues: Self.booked)]))
        }
        #expect(throws: UnusableRecord.self) {
            try changes(in: record(.insert, [.init(keys: ["ID": "1"], newValues: ["Status": .bool(true)])]))
        }
        var timeless = record(.insert, [.init(keys: ["ID": "1"], newValues: Self.booked)])
        timeless.commitTimestamp = nil
        #expect(throws: UnusableRecord.self) { try changes(in: timeless) }
    }

    private static func cause(_ version: BookingVersion) -> ChangeCause {
        ChangeCause(version: version, isFresh: false, eventID: "e", logger: Logger(label: "t"))
    }

    private func changes(
        in record: DataChangeRecord,
        _ settings: BookingStatusSettings = Self.settings
    ) throws(UnusableRecord) -> [BookingChange] {
        try BookingChange.changes(in: record, settings, cause: Self.cause).changes
    }

    private func record(_ modType: DataChangeRecord.ModType, _ mods: [DataChangeRecord.Mod]) -> DataChangeRecord {
        let version = version(1)
        return DataChangeRecord(
            tableName: "Bookings",
            modType: modType,
            mods: mods,
            commitTimestamp: version.commitTimestamp,
            serverTransactionID: version.transactionID,
            recordSequence: version.recordSequence
        )
    }
}

extension ColumnValue: ExpressibleByStringLiteral {
    public init(stringLiteral value: String) { self = .string(value) }
}
