import BookingStatusService
import BookingStatusSync
import Foundation
import FunctionHosting
import FunctionRuntime
import Logging
import Testing
import Zendesk

@Suite("Settings")
struct ServiceSettingsTests {
    private static let complete = [
        "ZENDESK_URL": "https://example.zendesk.com/", "ZENDESK_ACCESS_TOKEN": "token", "ZENDESK_BOOKING_ID_FIELD": "1001",
        "ZENDESK_BOOKING_STATUS_FIELD": "1002", "ZENDESK_BOOKING_VERSION_FIELD": "1003",
        "BOOKING_STATUS_TAGS": "InStay=booking_1_in_stay, Booked=booking_2_booked",
    ]

    @Test("Spanner is read with the instance's own token, an emulator without a token")
    func spanner() throws {
        let database = "projects/p/instances/i/databases/d"
        #expect(try settings([:]).spanner == nil)
        #expect(
            try settings(["SPANNER_DATABASE": database, "SPANNER_DATABASE_ROLE": "reader"]).spanner
                == .init(
                    database: database,
                    url: "https://spanner.googleapis.com",
                    role: "reader",
                    metadataHost: "metadata.google.internal"
                )
        )
        #expect(
            try settings(["SPANNER_DATABASE": database, "SPANNER_URL": "http://127.0.0.1:9020/"]).spanner
                == .init(database: database, url: "http://127.0.0.1:9020")
        )
    }

    @Test("an unset variable has its default")
    func defaults() throws {
        let settings = try settings([:])
        #expect(settings.server == .init(host: "0.0.0.0", port: 8080, timeout: .seconds(30), maximumBodyBytes: 33_554_432))
        #expect(settings.server.logLevel == .info)
        #expect(settings.zendeskURL == "https://example.zendesk.com")
        #expect(settings.zendeskCredentials == .accessToken("token"))
        #expect(
            settings.bookingStatus
                == .init(
                    bookingIDField: 1001,
                    bookingStatusField: 1002,
                    bookingVersionField: 1003,
                    tags: ["InStay": "booking_1_in_stay", "Booked": "booking_2_booked"],
                    table: "Bookings",
                    bookingIDColumn: "ID",
                    statusColumn: "Status",
                    reorderWindow: .seconds(120),
                    dryRun: false
                )
        )
        #expect(settings.pushTokens == nil)
        #expect(settings.warnings.map { String($0.prefix(13)) } == ["PUSH_AUDIENCE"])
    }

    @Test("push tokens are checked if both variables are set; on a loopback address their absence gives no warning")
    func pushTokens() throws {
        let tokens = ["PUSH_AUDIENCE": "https://f.example.com/", "PUSH_SERVICE_ACCOUNT": "push@p.iam.gserviceaccount.com"]
        let settings = try settings(tokens)
        #expect(
            settings.pushTokens
                == .init(
                    audience: "https://f.example.com/",
                    serviceAccount: "push@p.iam.gserviceaccount.com",
                    keysURL: "https://www.googleapis.com/oauth2/v3/certs"
                )
        )
        #expect(settings.warnings.isEmpty)
        let local = try self.settings(tokens.merging(["PUSH_KEYS_URL": "http://127.0.0.1:9/k"]) { $1 })
        #expect(local.pushTokens?.keysURL == "http://127.0.0.1:9/k")
        #expect(try self.settings(["HOST": "127.0.0.1"]).warnings.isEmpty)
    }

    @Test("every variable is read")
    func everything() throws {
        let settings = try settings([
            "PORT": "9000", "HOST": "127.0.0.1", "LOG_LEVEL": "DEBUG", "ZENDESK_URL": "http://127.0.0.1:8081", "BOOKING_TABLE": "Stays",
            "BOOKING_ID_COLUMN": "Key", "BOOKING_STATUS_COLUMN": "State", "REORDER_WINDOW_SECONDS": "5", "FUNCTION_TIMEOUT_SECONDS": "7",
            "MAX_BODY_BYTES": "100", "FUNCTION_CONCURRENCY": "3", "GOOGLE_CLOUD_PROJECT": "my-project", "DRY_RUN": "true",
            "ZENDESK_BOOKING_VERSION_FIELD": "", "ZENDESK_SHARED_CALLS": "false",
        ])
        #expect(!settings.bookingStatus.sharesCalls)
        #expect(
            settings.server
                == .init(
                    host: "127.0.0.1",
                    port: 9000,
                    timeout: .seconds(7),
                    concurrency: 3,
                    maximumBodyBytes: 100,
                    logLevel: .debug,
                    project: "my-project"
                )
        )
        #expect(settings.bookingStatus.table == "Stays")
        #expect(settings.bookingStatus.bookingIDColumn == "Key")
        #expect(settings.bookingStatus.statusColumn == "State")
        #expect(settings.bookingStatus.reorderWindow == .seconds(5))
        #expect(settings.bookingStatus.dryRun)
        #expect(settings.bookingStatus.bookingVersionField == nil)
        #expect(settings.warnings.count == 1)
    }

    @Test("all faults are reported at once")
    func allFaults() {
        #expect {
            try ServiceSettings { ["PORT": "abc"][$0] }
        } throws: { error in
            let faults = (error as? ConfigurationFaults)?.faults ?? []
            let named = faults.map { String($0.prefix { $0 != " " }) }
            return named == [
                "PORT", "ZENDESK_URL", "ZENDESK_CLIENT_ID", "ZENDESK_BOOKING_ID_FIELD", "ZENDESK_BOOKING_STATUS_FIELD",
                "BOOKING_STATUS_TAGS",
            ]
        }
    }

    @Test(
        "an invalid value is a fault that names its variable",
        arguments: [
            ("SPANNER_DATABASE", "d"), ("SPANNER_DATABASE", "projects/p/instances/i/databases/"), ("SPANNER_URL", "http://example.com"),
            ("PORT", "65536"), ("PORT", "-1"), ("PORT", "8080 "), ("LOG_LEVEL", "loud"), ("ZENDESK_URL", "example.zendesk.com"),
            ("ZENDESK_URL", "http://example.zendesk.com"), ("ZENDESK_URL", "https://"), ("ZENDESK_URL", "https://user@example.com"),
            ("ZENDESK_ACCESS_TOKEN", "a b"), ("ZENDESK_ACCESS_TOKEN", "a\nb"), ("ZENDESK_BOOKING_ID_FIELD", "0"),
            ("ZENDESK_BOOKING_STATUS_FIELD", "x"), ("ZENDESK_BOOKING_VERSION_FIELD", "-3"), ("BOOKING_STATUS_TAGS", "InStay"),
            ("BOOKING_STATUS_TAGS", "InStay=a b"), ("BOOKING_STATUS_TAGS", "A=a,,B=b"), ("BOOKING_STATUS_TAGS", "A=a,A=b"),
            ("BOOKING_STATUS_TAGS", "A=a,B=none"),
            ("REORDER_WINDOW_SECONDS", "-1"), ("FUNCTION_TIMEOUT_SECONDS", "0"), ("ZENDESK_WRITES_PER_MINUTE", "0"),
            ("ZENDESK_READS_PER_MINUTE", "many"), ("MAX_BODY_BYTES", "1e6"), ("DRY_RUN", "yes"),
            ("FUNCTION_CONCURRENCY", "0"), ("PUSH_KEYS_URL", "http://example.com"),
        ]
    )
    func wrongValue(name: String, value: String) {
        #expect {
            try settings([name: value])
        } throws: { error in
            guard let faults = (error as? ConfigurationFaults)?.faults else { return false }
            return faults.count == 1 && faults[0].hasPrefix(name)
        }
    }

    @Test("an OAuth client needs an ID and a secret, and excludes a token")
    func client() throws {
        let client = ["ZENDESK_ACCESS_TOKEN": "", "ZENDESK_CLIENT_ID": "id", "ZENDESK_CLIENT_SECRET": "secret"]
        #expect(try settings(client).zendeskCredentials == .client(id: "id", secret: "secret"))
        for change in [["ZENDESK_ACCESS_TOKEN": "t"], ["ZENDESK_CLIENT_ID": ""], ["ZENDESK_CLIENT_SECRET": ""]] {
            #expect(throws: ConfigurationFaults.self) { try settings(client.merging(change) { $1 }) }
        }
    }

    @Test("setting only one of the two push token variables is a fault", arguments: ["PUSH_AUDIENCE", "PUSH_SERVICE_ACCOUNT"])
    func halfOfPushTokens(name: String) {
        #expect {
            try settings([name: "x"])
        } throws: { error in
            (error as? ConfigurationFaults)?.faults.count == 1 && "\(error)".contains("is missing beside \(name)")
        }
    }

    @Test("the same field cannot be configured twice")
    func distinctFields() {
        #expect(throws: ConfigurationFaults.self) { try settings(["ZENDESK_BOOKING_VERSION_FIELD": "1001"]) }
    }

    @Test("a secret may come from a file, but not also from a variable")
    func secretFile() throws {
        let file = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        try Data("from-file\n".utf8).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        #expect(
            try settings(["ZENDESK_ACCESS_TOKEN": "", "ZENDESK_ACCESS_TOKEN_FILE": file.path]).zendeskCredentials
                == .accessToken("from-file")
        )
        #expect(throws: ConfigurationFaults.self) { try settings(["ZENDESK_ACCESS_TOKEN_FILE": file.path]) }
        #expect(throws: ConfigurationFaults.self) {
            try settings(["ZENDESK_ACCESS_TOKEN": "", "ZENDESK_ACCESS_TOKEN_FILE": file.path + ".missing"])
        }
    }

    private func settings(_ changes: [String: String]) throws -> ServiceSettings {
        let variables = Self.complete.merging(changes) { _, new in new }
        return try ServiceSettings { variables[$0] }
    }
}
