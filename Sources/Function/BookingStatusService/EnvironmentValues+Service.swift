import BookingStatusSync
import FoundationEssentials
import FunctionRuntime
import Support
import Zendesk

extension EnvironmentValues {
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
