import Foundation
import TestSupport
import Testing
import Support
import ZendeskSimulator

@testable import LocalStack

@Suite("The relay's view of the change stream")
struct ChangeStreamTests {
    private func elements(_ values: String) throws -> [ChangeStreamElement] {
        let line = #"{"result":{"values":\#(values),"resumeToken":"x"}}"#
        return try ChangeStreamElement.elements(JSONDecoder().decode(JSON.self, from: Data(line.utf8)))
    }

    @Test("a record is read by position: new values come before old ones")
    func record() throws {
        let read = try elements(
            #"""
            [[[[["2026-11-24T10:32:39.069155Z","00000001","17",true,"Bookings",[["ID","{\"code\":\"STRING\"}",true,"1"]],
            [["{\"ID\":\"b1\"}","{\"Status\":\"Booked\"}","{\"Status\":\"Tentative\"}"]],"UPDATE","OLD_AND_NEW_VALUES","2","3","tag",false]],[],[]]]]
            """#
        )
        var expected = ChangeRecord(
            commitTimestamp: RFC3339(seconds: 1_795_516_359, nanoseconds: 69_155_000, fractionDigits: 6),
            transactionID: "17",
            mods: [.init(keys: #"{"ID":"b1"}"#, oldValues: #"{"Status":"Tentative"}"#, newValues: #"{"Status":"Booked"}"#)],
            modType: "UPDATE"
        )
        expected.recordSequence = "00000001"
        expected.columns = [.init(name: "ID", type: #"{"code":"STRING"}"#, isPrimaryKey: true, ordinalPosition: 1)]
        (expected.recordsInTransaction, expected.partitionsInTransaction, expected.transactionTag) = (2, 3, "tag")
        #expect(read == [.record(expected)])
    }

    @Test("heartbeats and child partitions are read; any other shape is an error")
    func others() throws {
        #expect(try elements(#"[[[[],[["2026-11-24T10:32:40Z"]],[]]]]"#) == [.heartbeat("2026-11-24T10:32:40Z")])
        #expect(
            try elements(#"[[[[],[],[["2026-11-24T10:32:42Z","00000000",[["t",["a","b"]]]]]]]]"#)
                == [.children([.init(token: "t", start: "2026-11-24T10:32:42Z", parents: ["a", "b"])])]
        )
        #expect(throws: ChangeStreamElement.Unreadable.self) { try elements(#"[[[[["2026-11-24T10:32:42Z"]],[],[]]]]"#) }
        #expect(throws: ChangeStreamElement.Unreadable.self) {
            try ChangeStreamElement.elements(JSONDecoder().decode(JSON.self, from: Data(#"{"error":{"message":"gone"}}"#.utf8)))
        }
    }

    @Test("a partition is read once, and only when all its parents are done")
    func partitions() {
        var tree = PartitionTree()
        let root = PartitionTree.Partition(token: nil, start: "0", parents: [])
        let (a, b) = (
            PartitionTree.Partition(token: "a", start: "1", parents: []), PartitionTree.Partition(token: "b", start: "1", parents: [])
        )
        let merged = PartitionTree.Partition(token: "c", start: "2", parents: ["a", "b"])
        tree.add([a, b])
        #expect(tree.finish(root) == [a, b])
        tree.add([merged])
        #expect(tree.finish(a) == [])
        tree.add([merged])
        #expect(tree.finish(b) == [merged])
        #expect(tree.finish(merged) == [])
    }

    @Test("a record is published with its producer's members, in the producer's order", arguments: RecordLayout.allCases)
    func layouts(layout: RecordLayout) throws {
        let sample = try Fixtures.record(layout == .google ? "google-template.update-booked" : "mercari-0.9.update-booked")
        let record = ChangeRecord(bookingID: "b", from: "Tentative", to: "Booked", committedAt: 1_795_516_359.069155, transactionID: "1")
        let published = String(decoding: layout.json(record), as: UTF8.self)
        let names = try Self.names(sample).filter { $0 != "partitionToken" && $0 != "metadata" }
        let positions = names.map { published.range(of: "\"\($0)\":")?.lowerBound }
        #expect(!positions.contains(nil), "\(names)")
        #expect(Set(names) == (try Self.names(Data(published.utf8)).filter { $0 != "partitionToken" && $0 != "metadata" }))
        #expect(published.contains(layout == .google ? #""nanos":69155000"# : #""commitTimestamp":"2026-11-24T10:32:39.069Z""#))
    }

    private static func names(_ json: Data) throws -> Set<String> {
        guard case .object(let members) = try JSONDecoder().decode(JSON.self, from: json) else { return [] }
        return Set(members.map(\.name))
    }

    @Test("statements are read from a file with comments")
    func statements() {
        let text = """
            -- a comment; with a semicolon
            CREATE TABLE a (
              b INT64,  -- stays
            ) PRIMARY KEY (b);
            CREATE CHANGE STREAM c FOR a;

            """
        #expect(
            SpannerBookings.statements(text) == [
                "CREATE TABLE a (\n  b INT64,  -- stays\n) PRIMARY KEY (b)", "CREATE CHANGE STREAM c FOR a",
            ]
        )
    }

    @Test("a percentile is the smallest value that the given share does not exceed")
    func percentiles() {
        let latencies = Latencies((1...200).map { Double($0) }.shuffled())
        #expect([50, 90, 99, 100].map(latencies.percentile) == [100, 180, 198, 200])
        #expect(Latencies([]).percentile(50) == nil)
    }
}
