import FoundationEssentials
import HTTPTypes
import Testing

import Support

@testable import FunctionRuntime

@Suite("Structured, unwrapped and legacy events")
struct OtherFormsTests {
    private let publishTime = Date(timeIntervalSinceReferenceDate: 817_157_611.535)

    @Test(
        "a structured CloudEvent carries its data as JSON or as base64",
        arguments: [
            #""data":{"message":{"data":"aGk=","messageId":"7"}}"#,
            #""data_base64":"eyJtZXNzYWdlIjp7ImRhdGEiOiJhR2s9IiwibWVzc2FnZUlkIjoiNyJ9fQ==""#,
        ]
    )
    func structured(data: String) throws {
        let body = """
            {"specversion":"1.0","id":"1","source":"s","type":"\(CloudEvent.messagePublished)","time":"2026-11-23T20:13:31.535Z",
            "tenant":"kyoto","count":3,\(data)}
            """
        let event = try event(body, ["content-type": "application/cloudevents+json"])
        #expect(event.extensions == ["tenant": "kyoto", "count": "3"])
        let message = try PubSubMessage(event)
        #expect(message.id == "7")
        #expect(message.data == Data("hi".utf8))
        #expect(message.publishTime == publishTime)
    }

    @Test(
        "a structured event's data is kept byte for byte",
        arguments: [
            "12345678901234567890", "0.1234567890123456789", "1e400", "-3", "true", "\"a\\\"],}b\"", "\"\"", "[]", "{}",
            "[ 1, {\"data\" : \"]\\\\\"} ]",
            "{\"b\":1,\"a\" : [[],{}]}",
        ]
    )
    func dataBytes(data: String) throws {
        let attributes = "\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"data\",\"type\":\"t\\\"data\\\":1\""
        for body in ["{\(attributes),\"data\":\(data)}", "{ \"d\\u0061ta\" :\n\(data)\t,\(attributes) }"] {
            #expect(try event(body, ["content-type": "application/cloudevents+json"]).data == Data(data.utf8))
        }
    }

    @Test(
        "a damaged structured CloudEvent is refused",
        arguments: [
            "", "[]", "{", "{}", #"{"specversion":"1.0","id":"1","source":"s"}"#,
            #"{"specversion":"1.0","id":{},"source":"s","type":"t"}"#,
            #"{"specversion":"1.0","id":"1","source":"s","type":"t","data":1,"data_base64":""}"#,
            #"{"specversion":"1.0","id":"1","source":"s","type":"t","data_base64":"%"}"#,
        ]
    )
    func damagedStructured(body: String) {
        #expect(throws: EnvelopeError.self) { try event(body, ["content-type": "application/cloudevents+json"]) }
    }

    @Test("batched CloudEvents are refused as such")
    func batched() {
        #expect(throws: EnvelopeError.batched) { try event("[]", ["content-type": "application/cloudevents-batch+json"]) }
    }

    @Test("an unwrapped push keeps the message's metadata and attributes")
    func unwrapped() throws {
        let event = try event(
            "hi",
            [
                "x-goog-pubsub-message-id": "7", "x-goog-pubsub-publish-time": "2026-11-23T20:13:31.535Z",
                "x-goog-pubsub-ordering-key": "o", "x-goog-pubsub-subscription-name": "projects/p/subscriptions/s", "tenant": "kyoto",
                "content-type": "application/json", "user-agent": "APIs-Google",
            ]
        )
        #expect(
            try PubSubMessage(event)
                == PubSubMessage(
                    id: "7",
                    data: Data("hi".utf8),
                    attributes: ["tenant": "kyoto"],
                    publishTime: publishTime,
                    orderingKey: "o",
                    subscription: "projects/p/subscriptions/s"
                )
        )
        let data = try #require(event.data)
        let json = try #require(JSONElement(data))
        #expect(try PushBody(json.object()).message.data == Data("hi".utf8))
    }

    @Test(
        "data without any metadata is a message without attributes",
        arguments: ["", "no JSON", "{\"tableName\":\"Bookings\"}", "{\"message\":"]
    )
    func bare(body: String) throws {
        let message = try PubSubMessage(event(body, ["tenant": "kyoto"]))
        #expect(message.data == Data(body.utf8))
        #expect(message.attributes.isEmpty)
        #expect(!message.id.isEmpty)
    }

    @Test(
        "a legacy event is read in both of its shapes",
        arguments: [
            """
            {"context":{"eventId":"7","timestamp":"2026-11-23T20:13:31.535Z","eventType":"google.pubsub.topic.publish",
            "resource":{"service":"pubsub.googleapis.com","name":"projects/p/topics/t","type":"type.googleapis.com/google.pubsub.v1.PubsubMessage"}},
            "data":{"@type":"type.googleapis.com/google.pubsub.v1.PubsubMessage","attributes":{"a":"b"},"data":"aGk="}}
            """,
            """
            {"eventId":"7","timestamp":"2026-11-23T20:13:31.535Z","eventType":"providers/cloud.pubsub/eventTypes/topic.publish",
            "resource":"projects/p/topics/t","data":{"attributes":{"a":"b"},"data":"aGk="}}
            """,
        ]
    )
    func legacy(body: String) throws {
        let event = try event(body, [:])
        #expect(event.id == "7")
        #expect(event.source == "//pubsub.googleapis.com/projects/p/topics/t")
        #expect(event.type == CloudEvent.messagePublished)
        #expect(event.time == publishTime)
        #expect(
            try PubSubMessage(event)
                == PubSubMessage(id: "7", data: Data("hi".utf8), attributes: ["a": "b"], publishTime: publishTime)
        )
    }

    @Test(
        "a legacy event that is damaged or of another kind is refused",
        arguments: [
            #"{"context":{"eventId":"7","eventType":"google.storage.object.finalize","resource":{"name":"x"}},"data":{}}"#,
            #"{"context":{"eventId":"7","resource":{"name":"x"}},"data":{}}"#,
            #"{"context":{}}"#, #"{"eventId":"7"}"#, #"{"eventId":7,"data":{}}"#,
        ]
    )
    func damagedLegacy(body: String) {
        #expect(throws: EnvelopeError.self) { try event(body, [:]) }
    }

    private func event(_ body: String, _ headers: [String: String]) throws -> CloudEvent {
        var fields = HTTPFields()
        for (name, value) in headers { fields[HTTPField.Name(name)!] = value }
        return try CloudEvent(
            HTTPRequest(method: .post, scheme: nil, authority: nil, path: "/", headerFields: fields),
            body: Data(body.utf8)
        )
    }
}
