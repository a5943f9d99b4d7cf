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
    /// What a Pub/Sub push subscription posts: `{"message": …, "subscription": …}`.
    case push
    /// What a push subscription with `noWrapper` posts: the message's data alone, what is known of
    /// it in headers.
    case unwrapped
    /// What a first generation Cloud Function got: `{"context": …, "data": …}`, or all of it at the
    /// top level.
    case legacy

    /// The members of a JSON body by which a form is told from the others.
    enum Mark {
        case message, context, eventId
    }

    /// Tells the form from a request; the first rule that holds decides.
    ///
    /// - Parameters:
    ///   - headers: the request's header fields.
    ///   - has: whether the body's top level has a mark; a body that is no JSON object has none.
    ///     Asked only if the headers do not tell.
    static func detect(_ headers: HTTPFields, has: (Mark) -> Bool) -> WireForm {
        if headers.contains(where: { $0.name.canonicalName.hasPrefix("ce-") }) { return .binary }
        switch mediaType(headers.value(.contentType)) {
        case "application/cloudevents+json": return .structured
        case "application/cloudevents-batch+json": return .batch
        default: break
        }
        if headers.contains(.pubSubMessageID) { return .unwrapped }
        if has(.message) { return .push }
        return has(.context) || has(.eventId) ? .legacy : .unwrapped
    }

    /// `application/json` of `Application/JSON; charset=utf-8`.
    private static func mediaType(_ field: String?) -> String? {
        // What nearly every request says, and what can be told without a look at each letter.
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
