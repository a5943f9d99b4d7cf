import FoundationEssentials
import Support

/// A first generation background event. Its members are in `context`, or at the top level in the
/// older shape.
///
/// Source: GoogleCloudPlatform/functions-framework-conformance, `docs/mapping.md`; Cloud Functions'
/// documentation, "Background functions".
struct LegacyEvent {
    var eventID: String
    var timestamp: String?
    var eventType: String
    var service: String?
    /// The resource's name: a topic, an object or a document.
    var name: String
    /// The domain of a Firebase database.
    var domain: String?
    var data: JSONElement

    init(_ body: JSONObject) throws(JSONFault) {
        let context = try body.element("context")?.object() ?? body
        eventID = try context.require("eventId").requireString()
        timestamp = try context["timestamp"]?.requireString()
        eventType = try context["eventType"]?.requireString() ?? ""
        let resource = try context.require("resource")
        if let name = resource.string {
            self.name = name
        } else {
            let resource = try resource.object()
            service = try resource["service"]?.requireString()
            name = try resource.require("name").requireString()
        }
        domain = try body["domain"]?.requireString()
        data = try body.require("data")
    }
}

extension ReceivedEvent {
    static func legacy(_ event: LegacyEvent) throws(EnvelopeError) -> ReceivedEvent {
        var result = try EnvelopeError.naming { () throws(JSONFault) in try CloudEvent(event) }
        guard result.type == CloudEvent.messagePublished else { return ReceivedEvent(event: result) }
        let message = try PubSubMessage(result)
        // The context may have no timestamp.
        if result.time == nil { result.time = message.publishTime }
        return ReceivedEvent(event: result, message: message)
    }
}

extension Substring {
    /// The object's name without its generation, the `#` and digits at the end.
    fileprivate var withoutGeneration: Substring {
        guard let mark = lastIndex(of: "#"), case let digits = self[index(after: mark)...], !digits.isEmpty,
            digits.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) })
        else { return self }
        return self[..<mark]
    }
}

extension CloudEvent {
    /// Converts a background event to a CloudEvent by Google's table.
    fileprivate init(_ event: LegacyEvent) throws(JSONFault) {
        guard let type = Self.types[event.eventType] else {
            throw JSONFault(
                event.eventType.isEmpty ? "eventType is missing" : "\(event.eventType.cut(to: 64)) is not an event type of Google's table"
            )
        }
        let service = event.service ?? Self.services.first { event.eventType.hasPrefix($0.prefix) }?.service
        guard let service else { throw JSONFault("context.resource.service is missing") }
        self.init(
            id: event.eventID,
            source: "//\(service)/\(event.name)",
            type: type,
            dataContentType: "application/json",
            data: event.data.bytes
        )
        if let timestamp = event.timestamp {
            guard setTime(timestamp) else { throw JSONFault("timestamp is not an RFC 3339 time") }
        }
        switch service {
        case "pubsub.googleapis.com": data = try Self.messagePublished(event)
        case "storage.googleapis.com":
            let object = try split(event, before: "objects/")
            subject = String(object.withoutGeneration)
        case "firestore.googleapis.com": subject = String(try split(event, before: "documents/"))
        case "firebasedatabase.googleapis.com":
            guard let domain = event.domain else { throw JSONFault("domain is missing") }
            let location = domain == "firebaseio.com" ? "us-central1" : String(domain.prefix { $0 != "." })
            subject = String(try split(event, before: "refs/"))
            source = source.replacing("/projects/_/instances/", with: "/projects/_/locations/\(location)/instances/")
        case "firebaseanalytics.googleapis.com":
            subject = String(try split(event, before: "events/"))
            // Parsed again on its own: these members lie deeper than those that an envelope keeps.
            guard let data = JSONElement(event.data.bytes) else { throw event.data.wrongType }
            let user = try data.object().require("userDim").object()
            source += "/apps/\(try user.require("appInfo").object().require("appId").requireString())"
        case "firebaseauth.googleapis.com":
            subject = "users/\(try event.data.object().require("uid").requireString())"
            data = try Self.userWithNewNames(event)
        default: break
        }
    }

    /// Splits the resource's name. The first part stays in `source`; the second one is returned.
    private mutating func split(_ event: LegacyEvent, before mark: String) throws(JSONFault) -> Substring {
        guard let range = source.firstRange(of: "/\(mark)") else { throw JSONFault("the resource names no \(mark)") }
        let rest = source[source.index(after: range.lowerBound)...]
        source = String(source[..<range.lowerBound])
        return rest
    }

    /// The message with all received members, and with the id and time of the context.
    private static func messagePublished(_ event: LegacyEvent) throws(JSONFault) -> Data {
        var own = [("messageId", event.eventID.json)]
        if let timestamp = event.timestamp { own.append(("publishTime", timestamp.json)) }
        var members: [(String, Data)] = []
        try event.data.object().forEach { (name, value) throws(JSONFault) in
            if !own.contains(where: { $0.0 == name }) { members.append((name, value.bytes)) }
        }
        return JSONObject.text([("message", JSONObject.text(members + own))])
    }

    /// Renames the two members of a user's metadata that have other names in a CloudEvent.
    private static func userWithNewNames(_ event: LegacyEvent) throws(JSONFault) -> Data {
        let newNames = ["createdAt": "createTime", "lastSignedInAt": "lastSignInTime"]
        var members: [(String, Data)] = []
        try event.data.object().forEach { (name, value) throws(JSONFault) in
            guard name == "metadata", let metadata = try? value.object() else { return members.append((name, value.bytes)) }
            var renamed: [(String, Data)] = []
            try metadata.forEach { (name, value) throws(JSONFault) in renamed.append((newNames[name] ?? name, value.bytes)) }
            members.append((name, JSONObject.text(renamed)))
        }
        return JSONObject.text(members)
    }

    private static let services: [(prefix: String, service: String)] = [
        ("providers/cloud.firestore/", "firestore.googleapis.com"),
        ("providers/google.firebase.analytics/", "firebaseanalytics.googleapis.com"),
        ("providers/firebase.auth/", "firebaseauth.googleapis.com"),
        ("providers/google.firebase.database/", "firebasedatabase.googleapis.com"),
        ("providers/cloud.pubsub/", "pubsub.googleapis.com"),
        ("google.pubsub.", "pubsub.googleapis.com"),
        ("providers/cloud.storage/", "storage.googleapis.com"),
    ]

    private static let types: [String: String] = {
        var types = [
            "google.pubsub.topic.publish": messagePublished,
            "providers/cloud.pubsub/eventTypes/topic.publish": messagePublished,
            "google.storage.object.finalize": "google.cloud.storage.object.v1.finalized",
            "google.storage.object.delete": "google.cloud.storage.object.v1.deleted",
            "google.storage.object.archive": "google.cloud.storage.object.v1.archived",
            "google.storage.object.metadataUpdate": "google.cloud.storage.object.v1.metadataUpdated",
            "providers/firebase.auth/eventTypes/user.create": "google.firebase.auth.user.v1.created",
            "providers/firebase.auth/eventTypes/user.delete": "google.firebase.auth.user.v1.deleted",
            "providers/firebase.remoteConfig/remoteconfig.update": "google.firebase.remoteconfig.remoteConfig.v1.updated",
            "providers/google.firebase.analytics/eventTypes/event.log": "google.firebase.analytics.log.v1.written",
        ]
        for (old, new) in [("write", "written"), ("create", "created"), ("update", "updated"), ("delete", "deleted")] {
            types["providers/cloud.firestore/eventTypes/document.\(old)"] = "google.cloud.firestore.document.v1.\(new)"
            types["providers/google.firebase.database/eventTypes/ref.\(old)"] = "google.firebase.database.ref.v1.\(new)"
        }
        return types
    }()
}
