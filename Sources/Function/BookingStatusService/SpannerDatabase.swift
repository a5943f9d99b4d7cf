package import BookingStatusSync
import FoundationEssentials
package import Support
import SpannerChangeStreams
import Synchronization

/// Reads bookings from Cloud Spanner over its REST interface. Each read is strong and returns its
/// timestamp.
///
/// Source: Cloud Spanner's REST reference, `projects.instances.databases.sessions`, `executeSql`,
/// `ResultSet`; the JSON of values is `google.spanner.v1.TypeCode`'s.
package final class SpannerDatabase: BookingSource {
    private let api: GoogleAPI
    private let settings: SpannerSettings
    private let names: (table: String, idColumn: String, statusColumn: String)
    private let state = Mutex(State())

    private struct State {
        /// The session's name, and the type of the ID column.
        var session: String?
        var idType: String?
    }

    /// - Parameters:
    ///   - connect: makes the transport to an origin, such as `https://spanner.googleapis.com`.
    ///   - bookings: names the table and its columns.
    package init(
        _ settings: SpannerSettings,
        bookings: BookingStatusSettings,
        time: TimeSource = .system,
        connect: (_ origin: String) -> any OutboundTransport
    ) {
        self.settings = settings
        names = (bookings.table, bookings.bookingIDColumn, bookings.statusColumn)
        let tokens = settings.metadataHost.map { MetadataTokens(connect("http://\($0)"), time) }
        api = GoogleAPI(connect(settings.url), name: "Spanner", tokens: tokens)
    }

    package func read(_ ids: [String], deadline: Deadline) async throws(BookingSourceError) -> BookingReading {
        let type = try await idType(deadline)
        let (id, status) = (Self.quoted(names.idColumn), Self.quoted(names.statusColumn))
        let answer = try await query(
            Query(
                sql: "SELECT \(id), \(status) FROM \(Self.quotedTable(names.table)) WHERE \(id) IN UNNEST(@ids)",
                params: ["ids": ids.filter { Self.fits($0, type) }],
                paramTypes: ["ids": .init(code: "ARRAY", arrayElementType: .init(code: type))]
            ),
            deadline
        )
        guard let time = answer.metadata.transaction?.readTimestamp.flatMap({ CommitTimestamp(rfc3339: $0) }) else {
            throw BookingSourceError("Spanner's answer has no read timestamp")
        }
        var reading = BookingReading(statuses: [:], readTimestamp: time)
        for row in answer.rows ?? [] {
            guard row.count == 2, case .text(let id) = row[0] else {
                throw BookingSourceError("Spanner's answer has a row with an unexpected shape")
            }
            let status: String?
            switch row[1] {
            case .text(let text): status = text
            case .null: status = nil
            case .other: throw BookingSourceError("the column \(names.statusColumn) is not text", needsPerson: true)
            }
            if reading.statuses.updateValue(status, forKey: id) != nil { reading.ambiguous.insert(id) }
        }
        return reading
    }

    /// The type of the ID column, which a query for no rows returns. Parameters must have this
    /// type.
    private func idType(_ deadline: Deadline) async throws(BookingSourceError) -> String {
        if let known = state.withLock({ $0.idType }) { return known }
        let sql = "SELECT \(Self.quoted(names.idColumn)) FROM \(Self.quotedTable(names.table)) LIMIT 0"
        let answer: ResultSet
        do {
            answer = try await query(Query(sql: sql), deadline)
        } catch {
            // A PostgreSQL-dialect database refuses GoogleSQL's quotes.
            guard error.description.hasPrefix("Spanner answers 400"), try await isPostgreSQL(deadline) else { throw error }
            throw BookingSourceError(
                "the database has PostgreSQL's dialect, which sweeps cannot read: unset SPANNER_DATABASE",
                needsPerson: true
            )
        }
        guard let type = answer.metadata.rowType?.fields.first?.type.code, type == "STRING" || type == "INT64" else {
            throw BookingSourceError("the column \(names.idColumn) is neither a STRING nor an INT64", needsPerson: true)
        }
        state.withLock { $0.idType = type }
        return type
    }

    /// Source: Cloud Spanner's documentation, "Information schema for PostgreSQL-dialect databases",
    /// `database_options`.
    private func isPostgreSQL(_ deadline: Deadline) async throws(BookingSourceError) -> Bool {
        let sql = "SELECT option_value FROM information_schema.database_options WHERE option_name = 'database_dialect'"
        guard let rows = try? await query(Query(sql: sql), deadline).rows, case .text(let dialect)? = rows.first?.first else {
            return false
        }
        return dialect == "POSTGRESQL"
    }

    /// Whether the column can hold the ID exactly as written. An ID that it cannot hold must not
    /// fail the query for all others.
    private static func fits(_ id: String, _ type: String) -> Bool {
        type == "STRING" || Int64(id).map(String.init) == id
    }

    /// Quotes the parts of a name with a schema each by itself: `sales.Bookings`.
    private static func quotedTable(_ name: String) -> String {
        name.split(separator: ".").map { quoted(String($0)) }.joined(separator: ".")
    }

    private static func quoted(_ name: String) -> String { "`\(name.filter { $0 != "`" && $0 != "\\" })`" }
}

extension SpannerDatabase {
    private struct Query: Encodable {
        struct Kind: Encodable {
            let code: String
            var arrayElementType: Element?
            struct Element: Encodable { let code: String }
        }
        struct Transaction: Encodable {
            struct SingleUse: Encodable {
                struct ReadOnly: Encodable { var strong = true, returnReadTimestamp = true }
                var readOnly = ReadOnly()
            }
            var singleUse = SingleUse()
        }
        var sql: String
        var params: [String: [String]]?
        var paramTypes: [String: Kind]?
        var transaction = Transaction()
    }

    private struct ResultSet: Decodable {
        struct Metadata: Decodable {
            struct RowType: Decodable { let fields: [Field] }
            struct Field: Decodable {
                struct Kind: Decodable { let code: String }
                let type: Kind
            }
            struct Transaction: Decodable { let readTimestamp: String? }
            let rowType: RowType?
            let transaction: Transaction?
        }
        let metadata: Metadata
        let rows: [[Value]]?
    }

    private enum Value: Decodable {
        case text(String)
        case null
        case other

        init(from decoder: any Decoder) throws {
            guard let container = try? decoder.singleValueContainer() else {
                self = .other
                return
            }
            if container.decodeNil() {
                self = .null
            } else if let text = try? container.decode(String.self) {
                self = .text(text)
            } else {
                self = .other
            }
        }
    }

    private struct NewSession: Encodable {
        struct Session: Encodable { let creatorRole: String? }
        let session: Session
    }

    private struct Session: Decodable { let name: String }

    private struct Failure: Decodable {
        struct Detail: Decodable { let message: String? }
        let error: Detail?
        let message: String?
    }

    private func query(_ query: Query, _ deadline: Deadline) async throws(BookingSourceError) -> ResultSet {
        var isSecondTry = false
        while true {
            let session = try await session(deadline)
            let (status, body) = try await post("/v1/\(session):executeSql", query, deadline)
            if Self.isForgottenSession(status, body), !isSecondTry {
                // Spanner deletes a session after an hour without use. Its emulator answers 500.
                state.withLock { if $0.session == session { $0.session = nil } }
                isSecondTry = true
                continue
            }
            return try value(status, body)
        }
    }

    private static func isForgottenSession(_ status: Int, _ body: Data) -> Bool {
        status == 404 || (status >= 400 && String(decoding: body.prefix(1000), as: UTF8.self).contains("Session not found"))
    }

    private func session(_ deadline: Deadline) async throws(BookingSourceError) -> String {
        if let known = state.withLock({ $0.session }) { return known }
        let body = NewSession(session: .init(creatorRole: settings.role))
        let (status, answer) = try await post("/v1/\(settings.database)/sessions", body, deadline)
        let session: Session = try value(status, answer)
        state.withLock { $0.session = session.name }
        return session.name
    }

    private func value<Answer: Decodable>(_ status: Int, _ body: Data) throws(BookingSourceError) -> Answer {
        guard status == 200 else {
            let failure = try? JSONDecoder().decode(Failure.self, from: body)
            let message = failure?.error?.message ?? failure?.message ?? ""
            throw BookingSourceError(
                "Spanner answers \(status): \(message.cut(to: 200))",
                needsPerson: (400..<500).contains(status) && status != 429
            )
        }
        do {
            return try JSONDecoder().decode(Answer.self, from: body)
        } catch {
            throw BookingSourceError("Spanner's answer cannot be read")
        }
    }

    private func post(_ path: String, _ body: some Encodable, _ deadline: Deadline) async throws(BookingSourceError) -> (
        status: Int, body: Data
    ) {
        do throws(GoogleAPI.Failure) {
            let answer = try await api.post(path, body, deadline)
            return (answer.status, answer.body)
        } catch {
            throw BookingSourceError(error.description, needsPerson: error.needsPerson)
        }
    }
}
