import FoundationEssentials
import Support
import ZendeskSimulator

/// Bookings in Google's Spanner emulator, over its REST interface.
///
/// Source: Cloud Spanner's REST reference, `projects.instances`, `projects.instances.databases`,
/// `…databases.sessions`.
package struct SpannerBookings: BookingStore {
    private let rest: RESTClient
    private let session: String

    static let project = "local-project"
    private static let instance = "projects/\(project)/instances/bookings"
    package static let database = "\(instance)/databases/bookings"
    static let stream = "BookingsTableStatusStream"

    /// - Parameters:
    ///   - url: the emulator's REST interface, without a path.
    ///   - statements: create the tables and the change stream if the database does not exist yet.
    init(url: String, statements: [String]) async throws {
        rest = RESTClient("\(url)/v1")
        try await rest.create(
            .post,
            "/projects/\(Self.project)/instances",
            [
                "instanceId": "bookings",
                "instance": [
                    "config": .string("projects/\(Self.project)/instanceConfigs/emulator-config"), "displayName": "bookings",
                    "nodeCount": 1,
                ],
            ]
        )
        try await rest.create(
            .post,
            "/\(Self.instance)/databases",
            ["createStatement": "CREATE DATABASE bookings", "extraStatements": .array(statements.map { .string($0) })]
        )
        session = try await Self.newSession(rest)
    }

    private static func newSession(_ rest: RESTClient) async throws -> String {
        let answer = try await rest.call(.post, "/\(database)/sessions", [:])
        guard let name = answer["name"]?.string else { throw RESTClient.Failure(status: 200, description: "a session without a name") }
        return name
    }

    package func commit(_ bookingID: String, _ status: String?) async throws -> Double? {
        let mutation: JSON
        if let status {
            let values: JSON = [[.string(bookingID), .string(status)]]
            mutation = ["insertOrUpdate": ["table": "Bookings", "columns": ["ID", "Status"], "values": values]]
        } else {
            mutation = ["delete": ["table": "Bookings", "keySet": ["keys": [[.string(bookingID)]]]]]
        }
        while true {
            do {
                let answer = try await rest.call(
                    .post,
                    "/\(session):commit",
                    ["singleUseTransaction": ["readWrite": [:]], "mutations": [mutation]]
                )
                return answer["commitTimestamp"]?.string.flatMap { RFC3339($0) }.map {
                    Double($0.seconds) + Double($0.nanoseconds) / 1_000_000_000
                }
            } catch let failure as RESTClient.Failure where failure.status == 409 {
                // The emulator runs one transaction at a time, and aborts the other.
                try await Task.sleep(for: .milliseconds(Int.random(in: 1...20)))
            }
        }
    }

    package func statuses() async throws -> [String: String] {
        let answer = try await rest.call(
            .post,
            "/\(session):executeSql",
            [
                "sql": "SELECT ID, Status FROM Bookings WHERE Status IS NOT NULL",
                "transaction": ["singleUse": ["readOnly": ["strong": true]]],
            ]
        )
        guard case .array(let rows)? = answer["rows"] else { return [:] }
        let pairs: [(String, String)] = rows.compactMap { row in
            guard case .array(let columns) = row, columns.count == 2, let id = columns[0].string, let status = columns[1].string else {
                return nil
            }
            return (id, status)
        }
        return Dictionary(pairs) { _, last in last }
    }

    /// - Parameters:
    ///   - partition: nil asks for the initial partitions.
    ///   - start: an RFC 3339 time, not before the stream's creation.
    ///   - answer: receives each `PartialResultSet` as JSON.
    func readChanges(partition: String?, start: String, _ answer: (Data) throws -> Void) async throws {
        try await rest.forEachLine(
            // A session of its own: a streaming session accepts no other request.
            "/\(try await Self.newSession(rest)):executeStreamingSql",
            [
                "sql": .string(
                    "SELECT ChangeRecord FROM READ_\(Self.stream)(start_timestamp=>@start, end_timestamp=>NULL, "
                        + "partition_token=>@partition, "
                        + "heartbeat_milliseconds=>1000)"
                ),
                "params": ["start": .string(start), "partition": JSON(partition)],
                "paramTypes": ["start": ["code": "TIMESTAMP"], "partition": ["code": "STRING"]],
            ],
            answer
        )
    }

    /// The emulator's current time, for the start of the change stream.
    func now() async throws -> String {
        let answer = try await rest.call(.post, "/\(session):executeSql", ["sql": "SELECT CURRENT_TIMESTAMP()"])
        guard case .array(let rows)? = answer["rows"], case .array(let columns)? = rows.first, let time = columns.first?.string else {
            throw RESTClient.Failure(status: 200, description: "no time")
        }
        return time
    }

    /// Splits a file for `gcloud spanner databases ddl update --ddl-file` into its statements.
    package static func statements(_ text: String) -> [String] {
        text.split(separator: "\n", omittingEmptySubsequences: false)
            .filter { !$0.drop { $0 == " " }.hasPrefix("--") }
            .joined(separator: "\n")
            .split(separator: ";")
            .map { $0.trimmed() }
            .filter { !$0.isEmpty }
    }
}

extension Substring {
    fileprivate func trimmed() -> String {
        var rest = drop { $0.isWhitespace }
        while rest.last?.isWhitespace == true { rest.removeLast() }
        return String(rest)
    }
}
