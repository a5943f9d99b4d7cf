import FoundationEssentials
import HTTPTypes

extension ReceivedEvent {
    /// Source: Pub/Sub's documentation, "Push subscriptions", "Receive messages".
    static func push(_ push: PushBody, body: Data, topic: Topic) throws(EnvelopeError) -> ReceivedEvent {
        let message = try push.message()
        var event = CloudEvent(message, topic: topic, data: body)
        if let text = push.message.publishTime { _ = event.setTime(text) }
        return ReceivedEvent(event: event, message: message)
    }
}

extension CloudEvent {
    /// The event that Eventarc makes of a message.
    init(_ message: PubSubMessage, topic: Topic, data: Data) {
        self.init(
            id: message.id,
            source: topic.name.map { "//pubsub.googleapis.com/\($0)" } ?? "//pubsub.googleapis.com/",
            type: Self.messagePublished,
            time: message.publishTime,
            dataContentType: "application/json",
            data: data
        )
    }
}

/// The topic that a push's URL names, in its path or as Google's frameworks take it: `?__GCP_CloudEventsMode=CUSTOM_PUBSUB_TOPIC`.
struct Topic: Equatable {
    /// `projects/P/topics/T`, or nil where the URL names none.
    var name: String?

    init(name: String? = nil) { self.name = name }

    init(path: String?) {
        // Most requests name it in the path or not at all, and a URL takes its time to be taken apart.
        guard let path, path.utf8.count > 1 else { return }
        guard path.utf8.contains(where: { $0 == UInt8(ascii: "?") || $0 == UInt8(ascii: "%") }) else {
            name = Self.topic(in: path)
            return
        }
        guard let url = URLComponents(string: path) else { return }
        let mode = url.queryItems?.first { $0.name == "__GCP_CloudEventsMode" }?.value ?? ""
        let prefix = "CUSTOM_PUBSUB_"
        name =
            [mode.hasPrefix(prefix) ? String(mode.dropFirst(prefix.count)) : "", url.path]
            .lazy.compactMap { Self.topic(in: $0) }.first
    }

    /// `projects/P/topics/T`, wherever in a path it stands. By bytes: characters cost ten times as much.
    private static func topic(in path: String) -> String? {
        let bytes = Array(path.utf8)
        let parts = bytes.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        guard let start = parts.firstIndex(where: { $0.elementsEqual("projects".utf8) }), parts.count >= start + 4,
            parts[start + 2].elementsEqual("topics".utf8), !parts[start + 1].isEmpty, !parts[start + 3].isEmpty
        else { return nil }
        return String(decoding: bytes[parts[start].startIndex..<parts[start + 3].endIndex], as: UTF8.self)
    }
}
