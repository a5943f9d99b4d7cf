import HTTPTypes

/// The forms in which a request can carry an event.
///
/// Sources: CloudEvents HTTP protocol binding 1.0.2, section 3; Pub/Sub's documentation, "Push
/// subscriptions" and "Payload unwrapping"; GoogleCloudPlatform/functions-framework, "Event
/// conversion".
enum WireForm: Equatable, Sendable {
    /// The attributes in `ce-` headers, the data in the body.
    case binary
    /// One JSON object that holds attributes and data.
    case structured
    /// An array of such objects.
    case batch
    /// A CloudEvent in a format other than JSON.
    case otherFormat
    /// A structured event without its content type.
    case unmarked
    /// The body of a Pub/Sub push: `{"message": …, "subscription": …}`.
    case push
    /// The body of a push with `noWrapper`: the message's data alone, with metadata in headers.
    case unwrapped
    /// The event of a first generation Cloud Function: `{"context": …, "data": …}`, or all members
    /// at the top level.
    case legacy

    /// Members of a JSON body that identify its form.
    enum Mark {
        case message, context, eventId, specversion
    }

    /// Detects the form of a request. The first matching rule decides.
    ///
    /// - Parameters:
    ///   - headers: the request's header fields.
    ///   - has: whether the body's top level has a mark; false for a body that is not a JSON
    ///     object. Called only if the headers do not decide.
    static func detect(_ headers: HTTPFields, has: (Mark) -> Bool) -> WireForm {
        // The content type decides first: a structured event may have `ce-` headers as well.
        switch mediaType(headers.value(.contentType)) {
        case "application/cloudevents+json"?: return .structured
        case "application/cloudevents-batch+json"?: return .batch
        case let type? where type.hasPrefix("application/cloudevents"): return .otherFormat
        default: break
        }
        if headers.contains(where: { $0.name.canonicalName.hasPrefix("ce-") }) { return .binary }
        if headers.contains(.pubSubMessageID) { return .unwrapped }
        if has(.message) { return .push }
        if has(.context) || has(.eventId) { return .legacy }
        return has(.specversion) ? .unmarked : .unwrapped
    }

    /// Returns `application/json` for `Application/JSON; charset=utf-8`.
    private static func mediaType(_ field: String?) -> String? {
        // Fast path for nearly every request: lowercasing takes a twentieth of an event's instructions.
        if field == "application/json" { return field }
        guard let type = field?.split(separator: ";", maxSplits: 1).first else { return nil }
        return type.filter { $0 != " " && $0 != "\t" }.lowercased()
    }
}

extension HTTPField.Name {
    static let pubSubMessageID = HTTPField.Name("x-goog-pubsub-message-id")!
    static let pubSubPublishTime = HTTPField.Name("x-goog-pubsub-publish-time")!
    static let pubSubOrderingKey = HTTPField.Name("x-goog-pubsub-ordering-key")!
    static let pubSubSubscriptionName = HTTPField.Name("x-goog-pubsub-subscription-name")!
}
