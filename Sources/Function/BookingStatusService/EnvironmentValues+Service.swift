import BookingStatusSync
import FoundationEssentials
import FunctionRuntime
import Support
import Zendesk

extension EnvironmentValues {
    static let loopbackHosts: Set = ["127.0.0.1", "localhost", "[::1]", "::1"]

    /// An OAuth client, or an access token.
    mutating func credentials() -> ZendeskCredentials {
        let id = value("ZENDESK_CLIENT_ID")
        switch (id, secret("ZENDESK_CLIENT_SECRET"), secret("ZENDESK_ACCESS_TOKEN")) {
        case (let id?, let secret?, nil): return .client(id: id, secret: secret)
        case (nil, nil, let token?): return .accessToken(token)
        case (nil, nil, nil):
            fault("ZENDESK_CLIENT_ID and ZENDESK_CLIENT_SECRET are missing (or ZENDESK_ACCESS_TOKEN instead of them)")
        case (_, _, _?):
            fault("ZENDESK_ACCESS_TOKEN is set beside ZENDESK_CLIENT_ID or ZENDESK_CLIENT_SECRET: keep one way to authenticate")
        case (nil, _, nil): fault("ZENDESK_CLIENT_ID is missing beside ZENDESK_CLIENT_SECRET")
        case (_, nil, nil): fault("ZENDESK_CLIENT_SECRET (or ZENDESK_CLIENT_SECRET_FILE) is missing beside ZENDESK_CLIENT_ID")
        }
        return .accessToken("")
    }

    /// `NAME`, or the content of the file that `NAME_FILE` names, without line breaks at its end.
    private mutating func secret(_ name: String) -> String? {
        switch (value(name), value(name + "_FILE")) {
        case (_?, _?):
            fault("\(name) and \(name)_FILE are both set: keep one")
            return ""
        case (let secret?, nil):
            return checked(secret, name)
        case (nil, let path?):
            guard let data = try? Data(contentsOf: URL(filePath: path)), let text = String(data: data, encoding: .utf8) else {
                fault("\(name)_FILE cannot be read")
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
            fault("\(name) is empty or has characters that no token has")
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
        fault("\(name) is not an https URL (http is for loopback addresses only)")
        return ""
    }

    /// Reads the two variables for push tokens. Both must be set, or neither.
    mutating func pushTokens() -> PushTokenSettings? {
        let keysURL = url("PUSH_KEYS_URL", default: PushTokenSettings.googleKeysURL)
        switch (value("PUSH_AUDIENCE"), value("PUSH_SERVICE_ACCOUNT")) {
        case (let audience?, let account?):
            return PushTokenSettings(audience: audience, serviceAccount: account, keysURL: keysURL)
        case (nil, nil): return nil
        case (_?, nil): fault("PUSH_SERVICE_ACCOUNT is missing beside PUSH_AUDIENCE: anybody with a Google account would be admitted")
        case (nil, _?): fault("PUSH_AUDIENCE is missing beside PUSH_SERVICE_ACCOUNT")
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
            fault("SPANNER_DATABASE is not of the form projects/P/instances/I/databases/D")
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
            fault("\(name) is not the id of a ticket field (a positive whole number)")
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
            fault("\(name) \(error)")
            return nil
        }
    }

    /// Tables by name, separated by commas; nil for `*`, all other tables.
    mutating func ignoredTables() -> Set<String>? {
        guard let text = value("IGNORED_TABLES") else { return [] }
        if text == "*" { return nil }
        return Set(text.split(separator: ",").map { $0.filter { $0 != " " } }.filter { !$0.isEmpty })
    }

    mutating func requireDistinct(_ names: [String]) {
        let values = names.compactMap { value($0) }
        if Set(values).count < values.count { fault("\(names.joined(separator: ", ")) must be different fields") }
    }
}
