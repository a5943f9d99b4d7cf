import BookingStatusSync
import Support
import Zendesk

/// The settings that `setup` needs: the account and its statuses.
struct SetupSettings {
    let zendeskURL: String
    let credentials: ZendeskCredentials
    let tags: StatusTags
    let isDryRun: Bool

    /// - Throws: ``ConfigurationFaults`` with all faults.
    init(environment: @escaping (String) -> String?) throws(ConfigurationFaults) {
        var values = EnvironmentValues(environment)
        zendeskURL = values.url("ZENDESK_URL")
        credentials = values.credentials()
        isDryRun = values.flag("DRY_RUN", default: false)
        guard let tags = values.tags("BOOKING_STATUS_TAGS"), values.faults.isEmpty else {
            throw ConfigurationFaults(faults: values.faults)
        }
        self.tags = tags
    }
}
