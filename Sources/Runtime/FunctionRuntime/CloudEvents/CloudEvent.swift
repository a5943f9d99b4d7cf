public import FoundationEssentials

/// An event of the CloudEvents specification 1.0, whatever form it arrived in.
///
/// Source: CloudEvents specification 1.0.2, "Context Attributes" and "Event Data".
public struct CloudEvent: Sendable {
    /// Identifies the event together with `source`; never empty.
    public var id: String
    /// Where the event happened, a URI reference; for Pub/Sub
    /// `//pubsub.googleapis.com/projects/P/topics/T`.
    public var source: String
    /// What happened, for Pub/Sub `google.cloud.pubsub.topic.v1.messagePublished`.
    public var type: String
    /// When it happened.
    public var time: Date? { didSet { writtenTime = nil } }
    /// The received text of `time`; nil if `time` was set by code.
    var writtenTime: String?
    /// The part of the source that the event is about.
    public var subject: String?
    /// The media type of `data`.
    public var dataContentType: String?
    /// The URI of the schema of `data`.
    public var dataSchema: String?
    /// All other attributes, by lowercase name.
    public var extensions: [String: String]
    /// The event's data as received; nil if it has none.
    public var data: Data?

    public init(
        id: String,
        source: String,
        type: String,
        time: Date? = nil,
        subject: String? = nil,
        dataContentType: String? = nil,
        dataSchema: String? = nil,
        extensions: [String: String] = [:],
        data: Data? = nil
    ) {
        self.id = id
        self.source = source
        self.type = type
        self.time = time
        self.subject = subject
        self.dataContentType = dataContentType
        self.dataSchema = dataSchema
        self.extensions = extensions
        self.data = data
    }
}

extension CloudEvent {
    /// The event's time as RFC 3339. Keeps the received digits and zone, unless `time` was set.
    public var timeText: String? { writtenTime ?? time?.rfc3339 }

    /// - Returns: false if the text is not an RFC 3339 time.
    mutating func setTime(_ text: String) -> Bool {
        guard let time = Date(rfc3339: text) else { return false }
        self.time = time
        writtenTime = text
        return true
    }
}

extension CloudEvent: Equatable {
    /// Compares times as moments, not as text.
    public static func == (left: CloudEvent, right: CloudEvent) -> Bool {
        left.id == right.id && left.source == right.source && left.type == right.type && left.time == right.time
            && left.subject == right.subject && left.dataContentType == right.dataContentType && left.dataSchema == right.dataSchema
            && left.extensions == right.extensions && left.data == right.data
    }
}

extension CloudEvent {
    /// The type of an event that carries a Pub/Sub message.
    public static let messagePublished = "google.cloud.pubsub.topic.v1.messagePublished"
}
