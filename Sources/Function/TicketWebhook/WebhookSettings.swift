package import FunctionHosting
import Support

/// The receiver's configuration, read from its environment.
///
/// | variable | | default |
/// |---|---|---|
/// | `WEBHOOK_TOPIC` | `projects/P/topics/T`, where messages are published | required |
/// | `ZENDESK_WEBHOOK_SECRET`, or `…_FILE` | the signing secret; two, separated by a comma, while it is changed | required |
/// | `WEBHOOK_FIELD_CHANGES` | whether a change of the booking's ID on a ticket also counts | false |
/// | `ZENDESK_BOOKING_ID_FIELD` | the field of the booking's ID | required if such changes count |
/// | `PUBSUB_EMULATOR_HOST` | HOST:PORT of an emulator, which gets no token | Google's Pub/Sub |
/// | `GCE_METADATA_HOST` | HOST or HOST:PORT of the metadata server | `metadata.google.internal` |
///
/// The server's own variables apply too. Bodies are limited to 256 KB and invocations to ten seconds,
/// whatever they say.
package struct WebhookSettings: Equatable, Sendable {
    package var server: FunctionServerConfiguration
    package var topic: String
    /// At most two.
    package var secrets: [String]
    /// Nil if only new tickets count.
    package var bookingIDField: Int?
    package var pubSubURL: String
    /// Nil for an emulator.
    package var metadataHost: String?

    /// - Parameter environment: the value of a variable.
    package init(environment: @escaping (String) -> String?) throws(FunctionServerConfiguration.Faults) {
        var values = EnvironmentValues(environment)
        server = FunctionServerConfiguration(&values)
        server.maximumBodyBytes = min(server.maximumBodyBytes, WebhookReceiver.maximumBytes)
        server.maximumBodyBytesInFlight = server.maximumBodyBytes * server.concurrency
        server.timeout = min(server.timeout, .seconds(10))
        server.readTimeout = min(server.readTimeout, server.timeout)
        topic = values.required("WEBHOOK_TOPIC") ?? ""
        let parts = topic.split(separator: "/", omittingEmptySubsequences: false)
        if !topic.isEmpty,
            parts.count != 4 || parts[0] != "projects" || parts[2] != "topics" || !parts.allSatisfy({ !$0.isEmpty && $0.isPlain })
        {
            values.fault("WEBHOOK_TOPIC is not of the form projects/P/topics/T")
        }
        secrets = values.secret("ZENDESK_WEBHOOK_SECRET")?.split(separator: ",").map(String.init) ?? []
        if secrets.isEmpty || secrets.count > 2 { values.fault("ZENDESK_WEBHOOK_SECRET is not one secret, or two with a comma between") }
        if values.flag("WEBHOOK_FIELD_CHANGES", default: false) {
            bookingIDField = values.required("ZENDESK_BOOKING_ID_FIELD").flatMap { Int($0) }
            if bookingIDField ?? 0 <= 0 { values.fault("ZENDESK_BOOKING_ID_FIELD is not the id of a ticket field") }
        }
        let emulator = values.value("PUBSUB_EMULATOR_HOST")
        pubSubURL = emulator.map { "http://\($0)" } ?? "https://pubsub.googleapis.com"
        metadataHost = emulator == nil ? values.value("GCE_METADATA_HOST") ?? "metadata.google.internal" : nil
        guard values.faults.isEmpty else { throw FunctionServerConfiguration.Faults(descriptions: values.faults) }
    }
}

extension Substring {
    /// Whether it can be in a URL's path as it is.
    fileprivate var isPlain: Bool {
        utf8.allSatisfy {
            (0x30...0x39).contains($0) || (0x41...0x5a).contains($0) || (0x61...0x7a).contains($0) || "-._~+:".utf8.contains($0)
        }
    }
}
