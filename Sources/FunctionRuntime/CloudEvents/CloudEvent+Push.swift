import FoundationEssentials
import HTTPTypes

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

extension ReceivedEvent {
    /// Source: Pub/Sub's documentation, "Push subscriptions", "Receive messages".
    static func push(_ push: PushBody, body: Data, topic: Topic) throws(EnvelopeError) -> ReceivedEvent {
        let message = try push.message()
        var event = CloudEvent(message, topic: topic, data: body)
        event.writtenTime = push.message.publishTime
        return ReceivedEvent(event: event, message: message)
    }
}

extension CloudEvent {
    /// Wraps a message in an event as Eventarc does.
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

/// The topic that a push URL names, in its path or in the query that Google's frameworks use:
/// `?__GCP_CloudEventsMode=CUSTOM_PUBSUB_TOPIC`.
struct Topic: Equatable {
    /// `projects/P/topics/T`, or nil if the URL names none.
    var name: String?

    init(name: String? = nil) { self.name = name }

    init(path: String?) {
        // Parsing a URL is slow. It is needed only for a query or an escape, which most requests do
        // not have.
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

    /// Finds `projects/P/topics/T` anywhere in a path. Compares bytes and makes no substrings,
    /// because this runs for each request.
    private static func topic(in path: String) -> String? {
        var path = path
        return path.withUTF8 { bytes in
            var start = 0
            while start < bytes.count {
                let end = self.end(of: start, in: bytes)
                guard isPart("projects", start..<end, of: bytes) else {
                    start = end + 1
                    continue
                }
                let project = end + 1, topics = self.end(of: project, in: bytes) + 1, name = self.end(of: topics, in: bytes) + 1
                let nameEnd = self.end(of: name, in: bytes)
                guard nameEnd > name, topics > project + 1, isPart("topics", topics..<name - 1, of: bytes) else { return nil }
                return String(decoding: UnsafeBufferPointer(rebasing: bytes[start..<nameEnd]), as: UTF8.self)
            }
            return nil
        }
    }

    /// The end of the path segment that begins at `start`; the path's end if `start` is beyond it.
    private static func end(of start: Int, in bytes: UnsafeBufferPointer<UInt8>) -> Int {
        var position = min(start, bytes.count)
        while position < bytes.count, bytes[position] != UInt8(ascii: "/") { position += 1 }
        return position
    }

    private static func isPart(_ text: StaticString, _ range: Range<Int>, of bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        range.count == text.utf8CodeUnitCount && range.upperBound <= bytes.count
            && memcmp(bytes.baseAddress! + range.lowerBound, text.utf8Start, range.count) == 0
    }
}
