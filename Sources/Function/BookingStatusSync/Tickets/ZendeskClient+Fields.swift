import Support
import Zendesk

extension ZendeskClient {
    /// Checks once a minute that the fields exist, before tickets are searched for. A hidden field
    /// reads as empty: no ticket would seem to name the booking, or none would seem to show a
    /// status.
    ///
    /// - Throws: a `ZendeskError` of kind `misconfigured` if one is missing or deactivated.
    func expectFields(_ settings: BookingStatusSettings, _ options: CallOptions) async throws(ZendeskError) {
        for id in [settings.bookingIDField, settings.bookingStatusField, settings.bookingVersionField].compactMap(\.self) {
            _ = try await field(id, accepts: nil, options)
        }
    }
}
