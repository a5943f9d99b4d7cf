import AsyncHTTPClient
import BookingStatusSync
import Foundation
import HTTPTypes
import HummingbirdCore
import NIOCore
import OutboundHTTP
import BookingStatusService
import SpannerChangeStreams
import Synchronization
import TestSupport
import Testing
import Support
import Zendesk

/// What no emulator shows: tokens of the metadata server, roles, sessions that end. What an
/// emulator shows is tested on Google's.
@Suite("Spanner reads against a stand-in for Spanner and the metadata server")
struct SpannerDatabaseTests {
    private static let database = "projects/p/instances/i/databases/d"
    private var deadline: Deadline { Deadline(after: .seconds(120), .system) }

    @Test("a read takes a token, a session in the database role, the column's type and one query")
    func reads() async throws {
        try await StandIn().serve { standIn, database in
            let reading = try await database.read(["b-1", "b-2"], deadline: deadline)
            #expect(reading.statuses == ["b-1": "InStay", "b-2": nil])
            #expect(reading.readTimestamp.rfc3339 == "2026-11-24T08:00:00.123456Z")
            #expect(
                standIn.calls == [
                    "GET /computeMetadata/v1/instance/service-accounts/default/token Google",
                    "POST /v1/\(Self.database)/sessions Bearer token-1", "POST /v1/\(Self.database)/sessions/s-1:executeSql Bearer token-1",
                    "POST /v1/\(Self.database)/sessions/s-1:executeSql Bearer token-1",
                ]
            )
            #expect(standIn.bodies.first == #"{"session":{"creatorRole":"booking_status_reader"}}"#)
            let query = try #require(standIn.bodies.last)
            #expect(query.contains("SELECT `ID`, `Status` FROM `Bookings` WHERE `ID` IN UNNEST(@ids)"))
            #expect(query.contains(#""returnReadTimestamp":true"#) && query.contains(#""strong":true"#))
            // Token, session and type are kept.
            _ = try await database.read(["b-1"], deadline: deadline)
            #expect(standIn.calls.count == 5)
        }
    }

    @Test("an ID with two rows is ambiguous: a ticket could mean either")
    func ambiguous() async throws {
        try await StandIn().serve { _, database in
            let reading = try await database.read(["b-1", "twice"], deadline: deadline)
            #expect(reading.ambiguous == ["twice"])
        }
    }

    @Test("a rejected token and an ended session are each replaced once")
    func renews() async throws {
        try await StandIn().serve { standIn, database in
            _ = try await database.read(["b-1"], deadline: deadline)
            standIn.revokeToken()
            standIn.endSession()
            #expect(try await database.read(["b-1"], deadline: deadline).statuses["b-1"] == "InStay")
            #expect(standIn.calls.suffix(3).map { $0.split(separator: " ").last } == ["token-2", "token-2", "token-2"])
        }
    }

    @Test("a session that Spanner has deleted is replaced, whatever status reports it", arguments: [404, 500])
    func forgottenSession(status: Int) async throws {
        try await StandIn().serve { standIn, database in
            _ = try await database.read(["b-1"], deadline: deadline)
            standIn.endSession(status: status)
            #expect(try await database.read(["b-1"], deadline: deadline).statuses["b-1"] == "InStay")
        }
    }

    @Test("each part of a table's name is quoted by itself")
    func namedSchema() async throws {
        try await StandIn().serve(table: "sales.Bookings") { standIn, database in
            _ = try await database.read(["b-1"], deadline: deadline)
            #expect(standIn.bodies.last?.contains("FROM `sales`.`Bookings` WHERE") == true)
        }
    }

    @Test("a database of PostgreSQL's dialect is refused by name")
    func otherDialect() async throws {
        try await StandIn().serve { standIn, database in
            standIn.speakPostgreSQL()
            let error = await #expect(throws: BookingSourceError.self) { try await database.read(["b-1"], deadline: deadline) }
            #expect(error?.needsPerson == true)
            #expect(error.map { "\($0)" }?.contains("PostgreSQL") == true)
        }
    }

    @Test("a database that refuses access needs a person, and so does a metadata server without a token")
    func refused() async throws {
        try await StandIn().serve { standIn, database in
            standIn.refuse()
            let error = await #expect(throws: BookingSourceError.self) { try await database.read(["b-1"], deadline: deadline) }
            #expect(error == BookingSourceError("Spanner answers 403: no rights", needsPerson: true))
            let nowhere = SpannerSettings(database: Self.database, url: "http://127.0.0.1:1", metadataHost: "127.0.0.1:1")
            let unreachable = SpannerDatabase(nowhere, bookings: Self.bookings()) { HTTPTransport(.shared, origin: $0) }
            let soon = Deadline(after: .seconds(1), .system)
            await #expect(throws: BookingSourceError.self) { try await unreachable.read(["b-1"], deadline: soon) }
        }
    }

    @Test(
        "an endless body from Spanner or the metadata server times out",
        .timeLimit(.minutes(2)),
        arguments: ["/token", "/sessions", ":executeSql"]
    )
    func drippingBody(path: String) async throws {
        try await StandIn().serve { standIn, database in
            standIn.drip(path)
            let error = await #expect(throws: BookingSourceError.self) {
                try await database.read(["b-1"], deadline: Deadline(after: .seconds(1), .system))
            }
            #expect(error.map { "\($0)" }?.contains("no answer from") == true)
            // Each call gets what is left of the reading's second, and not the ten of its own.
            #expect(!standIn.timeouts.isEmpty && standIn.timeouts.allSatisfy { $0 <= .seconds(1) })
        }
    }

    @Test("a token that is not a valid header value is neither sent nor quoted", arguments: [#"tale\nx: y"#, "ta le", ""])
    func noToken(token: String) async throws {
        try await StandIn().serve { standIn, database in
            standIn.answerToken(#"{"access_token":"\#(token)","expires_in":3599}"#)
            let error = await #expect(throws: BookingSourceError.self) { try await database.read(["b-1"], deadline: deadline) }
            #expect(error == BookingSourceError("the metadata server gives no access token (200)", needsPerson: true))
            #expect(standIn.calls.count == 1)
        }
    }

    @Test("a token's lifetime may have any value", arguments: ["0", "-9223372036854775808", "9223372036854775807", "1e300"])
    func absurdLifetime(expiresIn: String) async throws {
        try await StandIn().serve { standIn, database in
            standIn.answerToken(#"{"access_token":"token-1","expires_in":\#(expiresIn)}"#)
            for _ in 0..<3 { _ = try await database.read(["b-1"], deadline: deadline) }
            #expect(standIn.calls.count { $0.contains("/token ") } == 1)
        }
    }

    fileprivate static func bookings(_ table: String = "Bookings") -> BookingStatusSettings {
        BookingStatusSettings(bookingIDField: 1, bookingStatusField: 2, tags: [:], table: table)
    }
}

private final class StandIn: Sendable {
    private let state = Mutex(State())
    private let time = ManualTime()

    private struct State {
        var calls: [String] = []
        var timeouts: [Duration] = []
        var bodies: [String] = []
        var token = 1
        var session = 1
        var endedStatus = 404
        var isPostgreSQL = false
        var isRefusing = false
        var dripping: String?
        var tokenAnswer: String?
    }

    var calls: [String] { state.withLock(\.calls) }
    /// The time that each call was given.
    var timeouts: [Duration] { state.withLock(\.timeouts) }
    var bodies: [String] { state.withLock(\.bodies) }
    func revokeToken() { state.withLock { $0.token += 1 } }
    func endSession(status: Int = 404) { state.withLock { ($0.session, $0.endedStatus) = ($0.session + 1, status) } }
    func speakPostgreSQL() { state.withLock { $0.isPostgreSQL = true } }
    func refuse() { state.withLock { $0.isRefusing = true } }
    /// Whoever asks for such a path gets a body that never ends.
    func drip(_ path: String) { state.withLock { $0.dripping = path } }
    func answerToken(_ json: String) { state.withLock { $0.tokenAnswer = json } }

    func serve(table: String = "Bookings", _ body: @escaping @Sendable (StandIn, SpannerDatabase) async throws -> Void) async throws {
        try await withStandIn {
            try await self.respond($0)
        } _: { url in
            var callTime = TimeSource.system
            callTime.sleep = { timeout in
                self.state.withLock { $0.timeouts.append(timeout) }
                try await Task.sleep(for: timeout)
            }
            let settings = SpannerSettings(
                database: "projects/p/instances/i/databases/d",
                url: url,
                role: "booking_status_reader",
                metadataHost: String(url.dropFirst("http://".count))
            )
            try await body(
                self,
                SpannerDatabase(settings, bookings: SpannerDatabaseTests.bookings(table), time: self.time.source) {
                    HTTPTransport(.shared, origin: $0, time: callTime)
                }
            )
        }
    }

    private func respond(_ request: Request) async throws -> Response {
        let body = String(buffer: try await request.body.collect(upTo: 1 << 20))
        let credentials = request.headers[.authorization] ?? request.headers[HTTPField.Name("metadata-flavor")!] ?? "none"
        let path = request.uri.path
        if let dripping = state.withLock(\.dripping), path.hasSuffix(dripping) {
            let endless = ResponseBody { writer in
                while true {
                    try await writer.write(ByteBuffer(string: " "))
                    try await Task.sleep(for: .milliseconds(20))
                }
            }
            return Response(status: .ok, body: endless)
        }
        let (status, answer): (Int, String) = state.withLock { state in
            state.calls.append("\(request.method) \(path) \(credentials)")
            if request.method == .post { state.bodies.append(body) }
            if path.hasSuffix("/token"), let answer = state.tokenAnswer { return (200, answer) }
            if path.hasSuffix("/token") {
                return (200, #"{"access_token":"token-\#(state.token)","expires_in":3599,"token_type":"Bearer"}"#)
            }
            if credentials != "Bearer token-\(state.token)" { return (401, #"{"error":{"message":"no such token"}}"#) }
            if state.isRefusing { return (403, #"{"error":{"message":"no rights"}}"#) }
            if path.hasSuffix("/sessions") { return (200, #"{"name":"projects/p/instances/i/databases/d/sessions/s-\#(state.session)"}"#) }
            guard path.hasSuffix("/s-\(state.session):executeSql") else {
                return (state.endedStatus, #"{"error":{"message":"Session not found: projects/p"}}"#)
            }
            if state.isPostgreSQL {
                // Google's documentation: the name of the option, and its value in that dialect.
                guard body.contains("database_dialect") else { return (400, #"{"error":{"message":"syntax error at or near \"`\""}}"#) }
                return (200, #"{"metadata":{},"rows":[["POSTGRESQL"]]}"#)
            }
            let type = #"{"name":"ID","type":{"code":"STRING"}}"#
            if body.contains("LIMIT 0") { return (200, #"{"metadata":{"rowType":{"fields":[\#(type)]}}}"#) }
            let metadata = #"{"transaction":{"readTimestamp":"2026-11-24T08:00:00.123456Z"}}"#
            let twice = body.contains("twice") ? #",["twice","InStay"],["twice","Booked"]"# : ""
            return (200, #"{"metadata":\#(metadata),"rows":[["b-1","InStay"],["b-2",null]\#(twice)]}"#)
        }
        return Response(status: .init(code: status), body: .init(byteBuffer: ByteBuffer(string: answer)))
    }
}
