import FunctionRuntime
import Foundation
import HTTPTypes
import Testing

/// Source: GoogleCloudPlatform/functions-framework-conformance, `docs/mapping.md`.
@Suite("Background events, by Google's mapping table")
struct GoogleMappingTests {
    struct Mapping: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let legacy: String
        let event: String

        init(_ testDescription: String, _ legacy: String, _ event: String) {
            self.testDescription = testDescription
            self.legacy = legacy
            self.event = event
        }
    }

    private static let at = #""timestamp":"2026-11-23T20:13:31.123Z""#
    private static let common = #""specversion":"1.0","id":"e-1","time":"2026-11-23T20:13:31.123Z","datacontenttype":"application/json""#
    private static let type = #""@type":"type.googleapis.com/google.pubsub.v1.PubsubMessage""#
    private static let published = #""messageId":"e-1","publishTime":"2026-11-23T20:13:31.123Z""#
    private static let topic =
        #""type":"google.cloud.pubsub.topic.v1.messagePublished","source":"//pubsub.googleapis.com/projects/p/topics/t""#

    private static let mappings = [
        Mapping(
            "a Pub/Sub message with text and attributes",
            #"{"context":{"eventId":"e-1",\#(at),"eventType":"google.pubsub.topic.publish","resource":{"service":"pubsub.googleapis.com","name":"projects/p/topics/t","type":"x"}},"data":{\#(type),"attributes":{"a":"b"},"data":"aGk="}}"#,
            #"{\#(common),\#(topic),"data":{"message":{\#(type),"attributes":{"a":"b"},"data":"aGk=",\#(published)}}}"#
        ),
        Mapping(
            "a Pub/Sub message with bytes",
            #"{"context":{"eventId":"e-1",\#(at),"eventType":"google.pubsub.topic.publish","resource":{"service":"pubsub.googleapis.com","name":"projects/p/topics/t"}},"data":{\#(type),"data":"AQID/w=="}}"#,
            #"{\#(common),\#(topic),"data":{"message":{\#(type),"data":"AQID/w==",\#(published)}}}"#
        ),
        Mapping(
            "a Pub/Sub message in the older shape",
            #"{"eventId":"e-1",\#(at),"eventType":"providers/cloud.pubsub/eventTypes/topic.publish","resource":"projects/p/topics/t","data":{\#(type),"attributes":{"a":"b"},"data":"aGk="}}"#,
            #"{\#(common),\#(topic),"data":{"message":{\#(type),"attributes":{"a":"b"},"data":"aGk=",\#(published)}}}"#
        ),
        Mapping(
            "an object in Cloud Storage, whose name has slashes and a generation",
            #"{"context":{"eventId":"e-1",\#(at),"eventType":"google.storage.object.finalize","resource":{"service":"storage.googleapis.com","name":"projects/_/buckets/b/objects/f/x.txt#15","type":"storage#object"}},"data":{"name":"f/x.txt","size":"3"}}"#,
            #"{\#(common),"type":"google.cloud.storage.object.v1.finalized","source":"//storage.googleapis.com/projects/_/buckets/b","subject":"objects/f/x.txt","data":{"name":"f/x.txt","size":"3"}}"#
        ),
        Mapping(
            "an object whose folder has a number sign",
            #"{"context":{"eventId":"e-1",\#(at),"eventType":"google.storage.object.delete","resource":{"service":"storage.googleapis.com","name":"projects/_/buckets/b/objects/C#/a.txt#158","type":"storage#object"}},"data":{}}"#,
            #"{\#(common),"type":"google.cloud.storage.object.v1.deleted","source":"//storage.googleapis.com/projects/_/buckets/b","subject":"objects/C#/a.txt","data":{}}"#
        ),
        Mapping(
            "a Firestore document",
            #"{"eventId":"e-1",\#(at),"eventType":"providers/cloud.firestore/eventTypes/document.write","resource":"projects/p/databases/(default)/documents/c/d","params":{"d":"x"},"data":{"value":{"fields":{"n":{"doubleValue":5.5}}}}}"#,
            #"{\#(common),"type":"google.cloud.firestore.document.v1.written","source":"//firestore.googleapis.com/projects/p/databases/(default)","subject":"documents/c/d","data":{"value":{"fields":{"n":{"doubleValue":5.5}}}}}"#
        ),
        Mapping(
            "a Firebase database in the first region",
            #"{"eventId":"e-1",\#(at),"eventType":"providers/google.firebase.database/eventTypes/ref.create","resource":"projects/_/instances/i/refs/a/b","domain":"firebaseio.com","data":{"data":null,"delta":1}}"#,
            #"{\#(common),"type":"google.firebase.database.ref.v1.created","source":"//firebasedatabase.googleapis.com/projects/_/locations/us-central1/instances/i","subject":"refs/a/b","data":{"data":null,"delta":1}}"#
        ),
        Mapping(
            "a Firebase database elsewhere",
            #"{"eventId":"e-1",\#(at),"eventType":"providers/google.firebase.database/eventTypes/ref.delete","resource":"projects/_/instances/i/refs/a","domain":"europe-west1.firebasedatabase.app","data":{"data":1,"delta":null}}"#,
            #"{\#(common),"type":"google.firebase.database.ref.v1.deleted","source":"//firebasedatabase.googleapis.com/projects/_/locations/europe-west1/instances/i","subject":"refs/a","data":{"data":1,"delta":null}}"#
        ),
        Mapping(
            "a Firebase user, two of whose members have other names",
            #"{"eventId":"e-1",\#(at),"eventType":"providers/firebase.auth/eventTypes/user.create","resource":"projects/p","data":{"uid":"u","metadata":{"createdAt":"2026-01-01T00:00:00Z","lastSignedInAt":"2026-01-02T00:00:00Z"}}}"#,
            #"{\#(common),"type":"google.firebase.auth.user.v1.created","source":"//firebaseauth.googleapis.com/projects/p","subject":"users/u","data":{"uid":"u","metadata":{"createTime":"2026-01-01T00:00:00Z","lastSignInTime":"2026-01-02T00:00:00Z"}}}"#
        ),
        Mapping(
            "a Firebase analytics event",
            #"{"eventId":"e-1",\#(at),"eventType":"providers/google.firebase.analytics/eventTypes/event.log","resource":"projects/p/events/e","data":{"userDim":{"appInfo":{"appId":"app"}}}}"#,
            #"{\#(common),"type":"google.firebase.analytics.log.v1.written","source":"//firebaseanalytics.googleapis.com/projects/p/apps/app","subject":"events/e","data":{"userDim":{"appInfo":{"appId":"app"}}}}"#
        ),
    ]

    private func event(_ body: String, _ contentType: String = "application/json") throws -> CloudEvent {
        let head = HTTPRequest(method: .post, scheme: nil, authority: nil, path: "/", headerFields: [.contentType: contentType])
        return try CloudEvent(head, body: Data(body.utf8))
    }

    /// By its members, whatever their order.
    private func members(_ json: Data) throws -> NSDictionary { try #require(JSONSerialization.jsonObject(with: json) as? NSDictionary) }

    @Test("a background event maps to its present-day CloudEvent", arguments: mappings)
    func maps(mapping: Mapping) throws {
        let event = try event(mapping.legacy)
        #expect(try members(event.json()) == members(Data(mapping.event.utf8)))
    }

    @Test("a CloudEvent's JSON keeps everything that was received, the time to the digit, in whatever form it arrived", arguments: mappings)
    func sameAgain(mapping: Mapping) throws {
        let structured = try event(mapping.event, "application/cloudevents+json")
        #expect(try members(structured.json()) == members(Data(mapping.event.utf8)))
        #expect(try event(String(decoding: structured.json(), as: UTF8.self), "application/cloudevents+json") == structured)
    }

    @Test(
        "a received time keeps its text; a newly set time gets its own",
        arguments: ["2026-11-23T20:13:31.123Z", "2026-11-23T20:13:31Z", "2026-11-23T21:13:31.123456789+01:00"]
    )
    func time(text: String) throws {
        let json = #"{"specversion":"1.0","id":"1","source":"s","type":"t","time":"\#(text)"}"#
        var event = try event(json, "application/cloudevents+json")
        #expect(event.timeText == text)
        event.time = event.time?.addingTimeInterval(60)
        #expect(event.timeText?.hasPrefix("2026-11-23T20:14:31") == true)
    }

    @Test("no millisecond is lost between text and date", arguments: 0..<1000)
    func milliseconds(number: Int) throws {
        let digits = String(repeating: "0", count: 3 - "\(number)".count) + "\(number)"
        let text = "2026-11-23T20:13:31.\(digits)Z"
        let read = try event(#"{"specversion":"1.0","id":"1","source":"s","type":"t","time":"\#(text)"}"#, "application/cloudevents+json")
        let made = CloudEvent(id: "1", source: "s", type: "t", time: read.time)
        #expect(made.timeText == text)
    }

    @Test("data is written as JSON, text or base64, depending on its media type")
    func data() throws {
        let cases: [(String?, [UInt8], String)] = [
            (nil, Array("[1]".utf8), #""data":[1]"#), ("application/json", Array("\"x\"".utf8), #""data":"x""#),
            ("application/json", Array("no JSON".utf8), #""data_base64":"bm8gSlNPTg==""#),
            ("text/plain", Array("a \"b\"".utf8), #""data":"a \"b\"""#), ("image/png", [0x89, 0x50], #""data_base64":"iVA=""#),
        ]
        for (type, bytes, member) in cases {
            let made = CloudEvent(id: "1", source: "s", type: "t", dataContentType: type, data: Data(bytes))
            let json = String(decoding: made.json(), as: UTF8.self)
            #expect(json.contains(member), "\(json)")
            #expect(try event(json, "application/cloudevents+json").data == Data(bytes))
        }
    }

    @Test(
        "a background event that is not a message is refused with the true reason when a message is expected",
        arguments: [
            (mappings[3].legacy, "the event's type is google.cloud.storage.object.v1.finalized: expected a Pub/Sub message"),
            (#"{"eventId":"1","eventType":"providers/x","resource":"r","data":{}}"#, "providers/x is not an event type of Google's table"),
            (#"{"eventId":"1","resource":"r","data":{}}"#, "eventType is missing"),
            (
                #"{"eventId":"1","eventType":"providers/firebase.remoteConfig/remoteconfig.update","resource":"r","data":{}}"#,
                "context.resource.service is missing"
            ),
        ]
    )
    func reason(legacy: String, reason: String) {
        #expect(throws: EnvelopeError.malformed(reason)) { try PubSubMessage(event(legacy)) }
    }
}
