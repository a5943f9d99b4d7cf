import BookingStatusSync
import Logging

/// Receives the outcomes that the handler logs for a delivery.
struct OutcomeLog: LogHandler {
    let heard: @Sendable (Logger.Metadata) -> Void
    var logLevel = Logger.Level.info
    var metadata: Logger.Metadata = [:]

    init(_ heard: @escaping @Sendable (Logger.Metadata) -> Void) { self.heard = heard }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        if let metadata = event.metadata { heard(metadata) }
    }
}
