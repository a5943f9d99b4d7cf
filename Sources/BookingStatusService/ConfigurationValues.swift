import BookingStatusSync
import FoundationEssentials
import FunctionServer
import Zendesk

/// Reads environment variables and collects their faults, so that all are reported at once.
struct ConfigurationValues {
    private let environment: (String) -> String?
    static let loopbackHosts: Set = ["127.0.0.1", "localhost", "[::1]", "::1"]

    private(set) var faults: [String] = []

    /// - Parameter environment: the value of a variable.
    init(_ environment: @escaping (String) -> String?) { self.environment = environment }

    private func value(_ name: String) -> String? { environment(name).flatMap { $0.isEmpty ? nil : $0 } }

    private mutating func required(_ name: String) -> String? {
        guard let value = value(name) else {
            faults.append("\(name) is missing")
            return nil
        }
        return value
    }

    mutating func text(_ name: String, default defaultValue: String) -> String { value(name) ?? defaultValue }

    mutating func server() -> FunctionServerConfiguration { FunctionServerConfiguration(faults: &faults) { [self] in value($0) } }

    mutating func integer(_ name: String, in range: ClosedRange<Int>, default defaultValue: Int) -> Int {
        guard let text = value(name) else { return defaultValue }
        guard let number = Int(text), range.contains(number) else {
            faults.append("\(name) is not a whole number from \(range.lowerBound) to \(range.upperBound)")
            return defaultValue
        }
        return number
    }

    mutating func choice<Value>(_ name: String, of choices: [(String, Value)], default defaultValue: Value) -> Value {
        guard let text = value(name) else { return defaultValue }
        guard let choice = choices.first(where: { $0.0 == text.lowercased() }) else {
            faults.append("\(name) is none of \(choices.map(\.0).joined(separator: ", "))")
            return defaultValue
        }
        return choice.1
    }

    /// An OAuth client, or an access token.
    mutating func credentials() -> ZendeskCredentials {
        let id = value("ZENDESK_CLIENT_ID")
        switch (id, secret("ZENDESK_CLIENT_SECRET"), secret("ZENDESK_ACCESS_TOKEN")) {
        case (let id?, let secret?, nil): return .client(id: id, secret: secret)
        case (nil, nil, let token?): return .accessToken(token)
        case (nil, nil, nil):
            faults.append("ZENDESK_CLIENT_ID and ZENDESK_CLIENT_SECRET are missing (or ZENDESK_ACCESS_TOKEN instead of them)")
        case (_, _, _?):
            faults.append("ZENDESK_ACCESS_TOKEN is set beside ZENDESK_CLIENT_ID or ZENDESK_CLIENT_SECRET: keep one way to authenticate")
        case (nil, _, nil): faults.append("ZENDESK_CLIENT_ID is missing beside ZENDESK_CLIENT_SECRET")
        case (_, nil, nil): faults.append("ZENDESK_CLIENT_SECRET (or ZENDESK_CLIENT_SECRET_FILE) is missing beside ZENDESK_CLIENT_ID")
        }
        return .accessToken("")
    }

    /// `NAME`, or the content of the file that `NAME_FILE` names, without line breaks at its end.
    private mutating func secret(_ name: String) -> String? {
        switch (value(name), value(name + "_FILE")) {
        case (_?, _?):
            faults.append("\(name) and \(name)_FILE are both set: keep one")
            return ""
        case (let secret?, nil):
            return checked(secret, name)
        case (nil, let path?):
            guard let data = try? Data(contentsOf: URL(filePath: path)), let text = String(data: data, encoding: .utf8) else {
                faults.append("\(name)_FILE cannot be read")
                return ""
            }
            return checked(String(text.reversed().drop(while: \.isNewline).reversed()), name + "_FILE")
        case (nil, nil):
            return nil
        }
    }

    /// Checks a secret, which goes into a header. A line break would end the header.
    private mutating func checked(_ secret: String, _ name: String) -> String {
        if secret.isEmpty || !secret.utf8.allSatisfy({ (0x21...0x7e).contains($0) }) {
            faults.append("\(name) is empty or has characters that no token has")
        }
        return secret
    }

    /// Whether a secret may be sent to this URL: over TLS, or within the machine.
    static func isSafe(_ text: String) -> Bool {
        guard let url = URLComponents(string: text), let host = url.host, !host.isEmpty, url.user == nil else { return false }
        return url.scheme == "https" || (url.scheme == "http" && loopbackHosts.contains(host))
    }

    mutating func url(_ name: String, default defaultValue: String? = nil) -> String {
        guard let text = defaultValue.map({ value(name) ?? $0 }) ?? required(name) else { return "" }
        if Self.isSafe(text) { return text.hasSuffix("/") ? String(text.dropLast()) : text }
        faults.append("\(name) is not an https URL (http is for loopback addresses only)")
        return ""
    }

    /// Reads the two variables for push tokens. Both must be set, or neither.
    mutating func pushTokens() -> PushTokens? {
        let keysURL = url("PUSH_KEYS_URL", default: PushTokens.googleKeysURL)
        switch (value("PUSH_AUDIENCE"), value("PUSH_SERVICE_ACCOUNT")) {
        case (let audience?, let account?):
            return PushTokens(audience: audience, serviceAccount: account, keysURL: keysURL)
        case (nil, nil): return nil
        case (_?, nil): faults.append("PUSH_SERVICE_ACCOUNT is missing beside PUSH_AUDIENCE: anybody with a Google account would be let in")
        case (nil, _?): faults.append("PUSH_AUDIENCE is missing beside PUSH_SERVICE_ACCOUNT")
        }
        return nil
    }

    /// The database for the sweep; nil if the sweep is disabled.
    mutating func spanner() -> SpannerSettings? {
        let url = url("SPANNER_URL", default: "https://spanner.googleapis.com")
        guard let database = value("SPANNER_DATABASE") else { return nil }
        let parts = database.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 6, parts.allSatisfy({ !$0.isEmpty }),
            [parts[0], parts[2], parts[4]] == ["projects", "instances", "databases"]
        else {
            faults.append("SPANNER_DATABASE is not of the form projects/P/instances/I/databases/D")
            return nil
        }
        let isLoopback = Self.loopbackHosts.contains(URLComponents(string: url)?.host ?? "")
        return SpannerSettings(
            database: database,
            url: url,
            role: value("SPANNER_DATABASE_ROLE"),
            metadataHost: isLoopback ? nil : value("GCE_METADATA_HOST") ?? "metadata.google.internal"
        )
    }

    mutating func fieldID(_ name: String, isRequired: Bool = true) -> Int? {
        guard let text = isRequired ? required(name) : value(name) else { return nil }
        guard let id = Int(text), id > 0 else {
            faults.append("\(name) is not the id of a ticket field (a positive whole number)")
            return nil
        }
        return id
    }

    /// `STATUS=TAG,STATUS=TAG`
    mutating func tags(_ name: String) -> StatusTags? {
        guard let text = required(name) else { return nil }
        do throws(StatusTags.Fault) {
            return try StatusTags(text)
        } catch {
            faults.append("\(name) \(error)")
            return nil
        }
    }

    /// Tables by name, separated by commas; nil for `*`, all other tables.
    mutating func ignoredTables() -> Set<String>? {
        guard let text = value("IGNORED_TABLES") else { return [] }
        if text == "*" { return nil }
        return Set(text.split(separator: ",").map { $0.filter { $0 != " " } }.filter { !$0.isEmpty })
    }

    mutating func dryRun() -> Bool { choice("DRY_RUN", of: [("true", true), ("false", false)], default: false) }

    mutating func requireDistinct(_ names: [String]) {
        let values = names.compactMap { value($0) }
        if Set(values).count < values.count { faults.append("\(names.joined(separator: ", ")) must be different fields") }
    }
}
