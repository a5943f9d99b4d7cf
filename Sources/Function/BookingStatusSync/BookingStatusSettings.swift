/// The handler's settings for an account and a database.
package struct BookingStatusSettings: Equatable, Sendable {
    /// The ticket field that holds the booking's ID.
    package var bookingIDField: Int
    /// The ticket field that shows the booking's status, a drop-down.
    package var bookingStatusField: Int
    /// The ticket field that holds the version of our last write, a text field. Without it the
    /// handler cannot tell an old change from a new one.
    package var bookingVersionField: Int?
    /// The drop-down's tag for each status.
    package var tags: [String: String]
    /// The watched table.
    package var table: String
    /// Other tables whose records are ignored; nil for all others.
    package var ignoredTables: Set<String>?
    /// The key column that holds the booking's ID.
    package var bookingIDColumn: String
    /// The watched column.
    package var statusColumn: String
    /// How long after a change's publication the previous change may still arrive.
    package var reorderWindow: Duration
    /// Whether to read and decide, but write nothing.
    package var dryRun: Bool
    /// Whether sweeps clear tickets even if most bookings are absent from the database.
    package var sweepMayClear: Bool
    /// Whether changes in flight share searches and updates, if Zendesk is seen to handle them
    /// reliably.
    package var sharesCalls: Bool
    /// Maximum events at the same time.
    package var concurrency: Int

    /// The columns of a change record that are read.
    package var columns: Set<String> { [bookingIDColumn, statusColumn] }

    package init(
        bookingIDField: Int,
        bookingStatusField: Int,
        bookingVersionField: Int? = nil,
        tags: [String: String],
        table: String = "Bookings",
        ignoredTables: Set<String>? = [],
        bookingIDColumn: String = "ID",
        statusColumn: String = "Status",
        reorderWindow: Duration = .seconds(120),
        dryRun: Bool = false,
        sweepMayClear: Bool = false,
        sharesCalls: Bool = true,
        concurrency: Int = 80
    ) {
        self.bookingIDField = bookingIDField
        self.bookingStatusField = bookingStatusField
        self.bookingVersionField = bookingVersionField
        self.tags = tags
        self.table = table
        self.ignoredTables = ignoredTables
        self.bookingIDColumn = bookingIDColumn
        self.statusColumn = statusColumn
        self.reorderWindow = reorderWindow
        self.dryRun = dryRun
        self.sweepMayClear = sweepMayClear
        self.sharesCalls = sharesCalls
        self.concurrency = concurrency
    }
}
