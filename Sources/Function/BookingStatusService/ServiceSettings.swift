package import BookingStatusSync
package import FunctionHosting
package import FunctionRuntime
import Support
package import Zendesk

/// The service's configuration, read from its environment.
///
/// `function/REFERENCE.md` lists the variables. Empty means unset. A secret may be in the file that
/// `NAME_FILE` names. Every URL is https, or http to a loopback address.
package struct ServiceSettings: Equatable, Sendable {
    package var server: FunctionServerConfiguration
    package var bookingStatus: BookingStatusSettings
    package var zendeskURL: String
    package var zendeskCredentials: ZendeskCredentials
    package var readsPerMinute: Int
    package var writesPerMinute: Int
    /// Nil admits every caller who reaches the port.
    package var pushTokens: PushTokenSettings?
    /// Nil disables the sweep.
    package var spanner: SpannerSettings?

    /// - Parameter environment: the value of a variable.
    /// - Throws: ``ConfigurationFaults`` with all faults.
    package init(environment: @escaping (String) -> String?) throws(ConfigurationFaults) {
        var values = EnvironmentValues(environment)
        server = FunctionServerConfiguration(&values)
        pushTokens = values.pushTokens()
        zendeskURL = values.url("ZENDESK_URL")
        zendeskCredentials = values.credentials()
        readsPerMinute = values.integer("ZENDESK_READS_PER_MINUTE", in: 1...100_000, default: ZendeskClient.defaultReadsPerMinute)
        writesPerMinute = values.integer("ZENDESK_WRITES_PER_MINUTE", in: 1...100_000, default: ZendeskClient.defaultWritesPerMinute)
        bookingStatus = BookingStatusSettings(
            bookingIDField: values.fieldID("ZENDESK_BOOKING_ID_FIELD") ?? 0,
            bookingStatusField: values.fieldID("ZENDESK_BOOKING_STATUS_FIELD") ?? 0,
            bookingVersionField: values.fieldID("ZENDESK_BOOKING_VERSION_FIELD", isRequired: false),
            tags: values.tags("BOOKING_STATUS_TAGS")?.byStatus ?? [:],
            table: values.value("BOOKING_TABLE") ?? "Bookings",
            ignoredTables: values.ignoredTables(),
            bookingIDColumn: values.value("BOOKING_ID_COLUMN") ?? "ID",
            statusColumn: values.value("BOOKING_STATUS_COLUMN") ?? "Status",
            reorderWindow: .seconds(values.integer("REORDER_WINDOW_SECONDS", in: 0...86_400, default: 120)),
            dryRun: values.flag("DRY_RUN", default: false),
            sweepMayClear: values.flag("SWEEP_MAY_CLEAR", default: false),
            sharesCalls: values.flag("ZENDESK_SHARED_CALLS", default: true),
            concurrency: server.concurrency
        )
        spanner = values.spanner()
        values.requireDistinct(["ZENDESK_BOOKING_ID_FIELD", "ZENDESK_BOOKING_STATUS_FIELD", "ZENDESK_BOOKING_VERSION_FIELD"])
        guard values.faults.isEmpty else { throw ConfigurationFaults(faults: values.faults) }
    }

    /// Warnings about settings that work, but not as well as they could.
    package var warnings: [String] {
        var warnings: [String] = []
        if bookingStatus.bookingVersionField == nil {
            warnings.append(
                "ZENDESK_BOOKING_VERSION_FIELD is not set: changes that are delivered twice or out of order can leave a wrong status "
                    + "(an old change cannot be told from a new one)"
            )
        }
        if pushTokens == nil, !EnvironmentValues.loopbackHosts.contains(server.host) {
            warnings.append(
                "PUSH_AUDIENCE and PUSH_SERVICE_ACCOUNT are not set: whoever reaches the port can invoke the function, unless the platform "
                    + "in front of it checks who calls"
            )
        }
        return warnings
    }
}

extension ServiceSettings {
    /// Makes settings without an environment.
    package init(
        server: FunctionServerConfiguration,
        bookingStatus: BookingStatusSettings,
        zendeskURL: String,
        zendeskCredentials: ZendeskCredentials,
        readsPerMinute: Int = ZendeskClient.defaultReadsPerMinute,
        writesPerMinute: Int = ZendeskClient.defaultWritesPerMinute,
        pushTokens: PushTokenSettings? = nil,
        spanner: SpannerSettings? = nil
    ) {
        self.server = server
        self.bookingStatus = bookingStatus
        self.zendeskURL = zendeskURL
        self.zendeskCredentials = zendeskCredentials
        self.readsPerMinute = readsPerMinute
        self.writesPerMinute = writesPerMinute
        self.pushTokens = pushTokens
        self.spanner = spanner
    }
}
