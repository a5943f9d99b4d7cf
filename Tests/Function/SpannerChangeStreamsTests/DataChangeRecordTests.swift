import Foundation
import SpannerChangeStreams
import TestSupport
import Testing

@Suite("Data change records")
struct DataChangeRecordTests {
    @Test("every sample decodes", arguments: Fixtures.records)
    func samples(file: URL) throws {
        let record = try DataChangeRecord(json: Data(contentsOf: file))
        #expect(record.tableName == "Bookings")
        #expect(record.recordSequence == "00000000")
        #expect(record.serverTransactionID?.isEmpty == false)
        #expect(record.commitTimestamp?.seconds == 1_795_464_811)
        #expect(record.commitTimestamp?.precision == (file.lastPathComponent.hasPrefix("google") ? .microseconds : .milliseconds))
    }

    @Test("there are samples of both producers")
    func sampleCount() {
        #expect(Fixtures.records.count == 9)
    }

    @Test("both producers' records of a change are read the same", arguments: ["google-template", "mercari-0.9", "mercari-head"])
    func change(producer: String) throws {
        let record = try DataChangeRecord(json: Fixtures.record("\(producer).update-booked"))
        #expect(record.modType == .update)
        #expect(
            record.mods == [
                .init(
                    keys: ["ID": .string("dcc5423e-5b0e-4c55-9a6e-0a4a5d2b9c11")],
                    oldValues: ["Status": .string("Tentative")],
                    newValues: ["Status": .string("Booked")]
                )
            ]
        )
    }

    @Test("a record may have several rows and empty sides")
    func severalMods() throws {
        let record = try DataChangeRecord(json: Fixtures.record("google-template.insert-three-mods"))
        #expect(record.modType == .insert)
        #expect(record.mods.count == 3)
        #expect(record.mods.allSatisfy { $0.oldValues.isEmpty && $0.newValues == ["Status": .string("Tentative")] })
        let deletion = try DataChangeRecord(json: Fixtures.record("google-template.delete"))
        #expect(deletion.modType == .delete)
        #expect(deletion.mods[0].newValues.isEmpty)
    }

    @Test(
        "an empty side may be {}, null or missing",
        arguments: [#","oldValuesJson":"{}""#, #","oldValuesJson":null"#, "", #","oldValuesJson":"null""#]
    )
    func emptySide(member: String) throws {
        let json = #"{"tableName":"T","modType":"INSERT","mods":[{"keysJson":"{\"ID\":\"1\"}"\#(member)}]}"#
        #expect(try DataChangeRecord(json: Data(json.utf8)).mods == [.init(keys: ["ID": .string("1")])])
    }

    @Test("every kind of column value is read")
    func columnValues() throws {
        let keys = #"{\"s\":\"x\",\"i\":\"9007199254740993\",\"n\":7,\"f\":1.5,\"b\":true,\"z\":null,\"a\":[\"1\",null],\"o\":{\"x\":1}}"#
        let json = #"{"tableName":"T","modType":"INSERT","mods":[{"keysJson":"\#(keys)"}]}"#
        let record = try DataChangeRecord(json: Data(json.utf8))
        #expect(
            record.mods[0].keys == [
                "s": .string("x"), "i": .string("9007199254740993"), "n": .integer(7), "f": .number(1.5), "b": .bool(true), "z": .null,
                "a": .container, "o": .container,
            ]
        )
        #expect(record.mods[0].keys["n"]?.text == "7")
    }

    @Test(
        "a wrong type in an unread member does no harm",
        arguments: [
            "valueCaptureType", "isLastRecordInTransactionInPartition", "numberOfRecordsInTransaction", "numberOfPartitionsInTransaction",
            "transactionTag", "isSystemTransaction", "rowType", "metadata", "partitionToken",
        ]
    )
    func unread(member: String) throws {
        let json = #"{"tableName":"T","modType":"INSERT","mods":[{"keysJson":"{\"ID\":\"1\"}"}],"\#(member)":[{"odd":1}]}"#
        #expect(try DataChangeRecord(json: Data(json.utf8)).mods.count == 1)
    }

    @Test("only the requested columns are kept, and an old side without them is distinct from an empty one")
    func someColumns() throws {
        let json = #"""
            {"tableName":"T","modType":"UPDATE","mods":[
            {"keysJson":"{\"ID\":\"1\",\"Night\":\"2\"}","oldValuesJson":"{\"Room\":\"3\"}","newValuesJson":"{\"Room\":4,\"Status\":\"A\"}"},
            {"keysJson":"{\"ID\":\"2\"}","oldValuesJson":"{}","newValuesJson":"{\"Status\":null}"}]}
            """#
        let record = try DataChangeRecord(json: Data(json.utf8), columns: ["ID", "Status"])
        #expect(
            record.mods == [
                .init(keys: ["ID": .string("1")], newValues: ["Status": .string("A")], hasOldValues: true),
                .init(keys: ["ID": .string("2")], newValues: ["Status": .null]),
            ]
        )
    }

    /// Shapes of a side's JSON, each about as long as it says.
    private static let shapes: [(String, @Sendable (Int) -> String)] = [
        (
            "nested arrays",
            { String(repeating: "[", count: 500) + String(repeating: "],[", count: $0 / 3) + String(repeating: "]", count: 500) }
        ),
        ("a long array", { "[" + String(repeating: "1,", count: $0 / 2) + "1]" }),
        ("a long array of arrays", { "[" + String(repeating: "[],", count: $0 / 3) + "[]]" }),
        ("a long number", { String(repeating: "1", count: $0) }),
        ("many columns", { (0..<$0 / 8).map { "\($0)" }.joined(separator: #",\"a\":"#) }),
        ("escapes", { #"\""# + String(repeating: #"\\\""#, count: $0 / 4) + #"\""# }),
    ]

    // Cubic time took 8 s for 14 KB.
    @Test(
        "the cost of reading a column grows only with its length",
        .timeLimit(.minutes(1)),
        arguments: shapes.indices,
        ["ID", "Other"]
    )
    func cost(shape: Int, column: String) {
        let value = Self.shapes[shape].1(100_000)
        for side in ["keysJson", "oldValuesJson", "newValuesJson"] {
            let keys = side == "keysJson" ? "" : #""keysJson":"{\"ID\":\"1\"}","#
            let json = Data(#"{"tableName":"T","modType":"INSERT","mods":[{\#(keys)"\#(side)":"{\"\#(column)\":\#(value)}"}]}"#.utf8)
            _ = try? DataChangeRecord(json: json)
            _ = try? DataChangeRecord(json: json, columns: ["ID"])
        }
    }

    @Test(
        "data that is not a change record is refused, and the error names the place",
        arguments: [
            ("", "the data is not JSON"), ("hello", "the data is not JSON"), ("[]", "the data is not a JSON object"),
            ("{}", "tableName is missing"),
            (#"{"tableName":"T"}"#, "modType is missing"),
            (#"{"tableName":"T","modType":"UNKNOWN","mods":[]}"#, "modType has no valid value"),
            (#"{"tableName":"T","modType":"INSERT"}"#, "mods is missing"),
            (#"{"tableName":"T","modType":"INSERT","mods":[]}"#, "mods is empty"),
            (#"{"tableName":"T","modType":"INSERT","mods":[{}]}"#, "mods.0.keysJson is missing"),
            (#"{"tableName":"T","modType":"INSERT","mods":[{"keysJson":"1"}]}"#, "mods.0.keysJson holds no JSON object"),
            (#"{"tableName":"T","modType":"INSERT","mods":[{"keysJson":"{"}]}"#, "mods.0.keysJson holds no JSON object"),
            (
                #"{"tableName":"T","modType":"INSERT","mods":[{"keysJson":"{}"}],"commitTimestamp":"soon"}"#,
                "commitTimestamp has no valid value"
            ),
            (
                #"{"tableName":"T","modType":"INSERT","mods":[{"keysJson":"{}"}],"commitTimestamp":{"seconds":1,"nanos":1000000000}}"#,
                "commitTimestamp has no valid value"
            ),
        ]
    )
    func refused(json: String, reason: String) {
        #expect {
            try DataChangeRecord(json: Data(json.utf8))
        } throws: {
            ($0 as? ChangeRecordError)?.reason == reason
        }
    }

    @Test("JSON nested ten thousand levels deep is refused, not followed")
    func deep() {
        let deep = String(repeating: "[", count: 10_000) + String(repeating: "]", count: 10_000)
        for json in [
            deep, #"{"tableName":"T","x":\#(deep)}"#, #"{"tableName":"T","modType":"INSERT","mods":[{"keysJson":"{\"a\":\#(deep)}"}]}"#,
        ] {
            #expect(throws: ChangeRecordError.self) { try DataChangeRecord(json: Data(json.utf8)) }
        }
    }
}

@Suite("Commit timestamps")
struct CommitTimestampTests {
    @Test(
        "two timestamps are compared at the coarser precision",
        arguments: [
            ("2026-01-01T00:00:00.001Z", "2026-01-01T00:00:00.002Z", true),
            ("2026-01-01T00:00:00.002Z", "2026-01-01T00:00:00.001Z", false),
            ("2026-01-01T00:00:00.001000Z", "2026-01-01T00:00:00.001001Z", true),
            ("2026-01-01T00:00:00.001Z", "2026-01-01T00:00:00.001999Z", nil),
            ("2026-01-01T00:00:00.001999Z", "2026-01-01T00:00:00.002Z", true),
            ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00.000999Z", nil),
            ("2026-01-01T00:00:00.000001Z", "2026-01-01T00:00:00.000001999Z", nil),
        ] as [(String, String, Bool?)]
    )
    func order(left: String, right: String, isBefore: Bool?) throws {
        let left = try #require(CommitTimestamp(rfc3339: left))
        let right = try #require(CommitTimestamp(rfc3339: right))
        #expect(left.isBefore(right) == isBefore)
    }

    @Test("a timestamp's text reads back as the same timestamp", arguments: CommitTimestamp.Precision.allCases)
    func roundTrip(precision: CommitTimestamp.Precision) {
        let timestamp = CommitTimestamp(seconds: 1_795_464_811, nanoseconds: 538_191_123, precision: precision)
        #expect(CommitTimestamp(rfc3339: timestamp.rfc3339) == timestamp)
    }
}
