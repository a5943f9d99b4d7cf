/// The location of the bookings table, and how to access it.
package struct SpannerSettings: Equatable, Sendable {
    /// `projects/P/instances/I/databases/D`.
    package var database: String
    /// The base URL, without a path.
    package var url: String
    /// The database role to read as; nil reads with all rights of the account.
    package var role: String?
    /// HOST or HOST:PORT of the metadata server, which issues the access token. Nil sends no token,
    /// as for an emulator.
    package var metadataHost: String?

    package init(database: String, url: String, role: String? = nil, metadataHost: String? = nil) {
        self.database = database
        self.url = url
        self.role = role
        self.metadataHost = metadataHost
    }
}
