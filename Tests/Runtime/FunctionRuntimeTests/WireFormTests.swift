import FoundationEssentials
import HTTPTypes
import Testing

import Support

@testable import FunctionRuntime

@Suite("Wire forms")
struct WireFormTests {
    @Test(
        "the first matching rule decides the form",
        arguments: [
            (["ce-id": "1", "content-type": "application/cloudevents+json"], [], .structured),
            (["ce-id": "1", "content-type": "application/json"], [.specversion], .binary),
            (["content-type": "application/json"], [.specversion], .unmarked),
            (["content-type": "application/cloudevents+avro"], [], .otherFormat),
            (["Ce-SpecVersion": "1.0", "x-goog-pubsub-message-id": "1"], [.message], .binary),
            (["content-type": "application/cloudevents+json; charset=utf-8"], [.message], .structured),
            (["content-type": "Application/CloudEvents+JSON"], [], .structured),
            (["content-type": "application/cloudevents-batch+json"], [], .batch),
            (["x-goog-pubsub-message-id": "1"], [.message], .unwrapped),
            (["content-type": "application/json"], [.message], .push),
            ([:], [.message, .context], .push),
            ([:], [.context], .legacy),
            ([:], [.eventId], .legacy),
            (["content-type": "application/json"], [], .unwrapped),
            ([:], [], .unwrapped),
        ] as [([String: String], Set<WireForm.Mark>, WireForm)]
    )
    func detection(headers: [String: String], marks: Set<WireForm.Mark>, form: WireForm) {
        #expect(WireForm.detect(fields(headers), has: { marks.contains($0) }) == form)
    }

    @Test("a binary CloudEvent keeps every attribute and its data")
    func binary() throws {
        let event = try CloudEvent(
            request([
                "ce-specversion": "1.0", "ce-id": "42", "ce-source": "//pubsub.googleapis.com/projects/p/topics/t",
                "ce-type": CloudEvent.messagePublished, "ce-time": "2026-11-23T20:13:31.535Z", "ce-subject": "caf%C3%A9",
                "ce-dataschema": "https://example.com/s", "ce-tenant": "kyoto", "content-type": "application/json",
                "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            ]),
            body: Data(#"{"message":{"data":"aGk=","attributes":{"a":"b"}},"subscription":"projects/p/subscriptions/s"}"#.utf8)
        )
        #expect(event.id == "42")
        #expect(event.source == "//pubsub.googleapis.com/projects/p/topics/t")
        #expect(event.subject == "café")
        #expect(event.dataSchema == "https://example.com/s")
        #expect(event.dataContentType == "application/json")
        #expect(event.extensions == ["tenant": "kyoto", "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"])
        #expect(event.time == Date(timeIntervalSinceReferenceDate: 817_157_611.535))

        let message = try PubSubMessage(event)
        #expect(message.id == "42")
        #expect(message.data == Data("hi".utf8))
        #expect(message.attributes == ["a": "b"])
        #expect(message.publishTime == event.time)
        #expect(message.subscription == "projects/p/subscriptions/s")
    }

    @Test(
        "a binary CloudEvent without a required attribute is refused with the attribute's name",
        arguments: ["ce-specversion", "ce-id", "ce-source", "ce-type"]
    )
    func missingAttribute(name: String) {
        var headers = ["ce-specversion": "1.0", "ce-id": "42", "ce-source": "s", "ce-type": "t"]
        headers[name] = nil
        #expect(throws: EnvelopeError.malformed("the CloudEvents attribute \(name.dropFirst(3)) is missing")) {
            try CloudEvent(request(headers), body: Data())
        }
    }

    @Test(
        "a damaged binary CloudEvent is refused",
        arguments: [
            ["ce-specversion": "0.3"], ["ce-time": "yesterday"], ["ce-subject": "%zz"], ["ce-subject": "%ff"], ["ce-subject": "%2"],
            ["ce-id": ""],
        ]
    )
    func damaged(change: [String: String]) {
        let headers = ["ce-specversion": "1.0", "ce-id": "42", "ce-source": "s", "ce-type": "t"].merging(change) { _, new in new }
        #expect(throws: EnvelopeError.self) { try CloudEvent(request(headers), body: Data()) }
    }

    @Test("a push keeps the whole message")
    func push() throws {
        let body = """
            {"message":{"data":"aGk=","attributes":{"k":"v"},"messageId":"7","message_id":"7","publishTime":"2026-11-23T20:13:31.535Z",
            "publish_time":"2026-11-23T20:13:31.535Z","orderingKey":"o"},"subscription":"projects/p/subscriptions/s","deliveryAttempt":3}
            """
        let event = try CloudEvent(request([:], path: "/projects/p/topics/t"), body: Data(body.utf8))
        #expect(event.id == "7")
        #expect(event.type == CloudEvent.messagePublished)
        #expect(event.source == "//pubsub.googleapis.com/projects/p/topics/t")
        #expect(event.data == Data(body.utf8))
        #expect(
            try PubSubMessage(event)
                == PubSubMessage(
                    id: "7",
                    data: Data("hi".utf8),
                    attributes: ["k": "v"],
                    publishTime: Date(timeIntervalSinceReferenceDate: 817_157_611.535),
                    orderingKey: "o",
                    subscription: "projects/p/subscriptions/s",
                    deliveryAttempt: 3
                )
        )
    }

    @Test(
        "either spelling is accepted, and data may be missing, null or empty",
        arguments: [
            #"{"message":{"message_id":"7","publish_time":"2026-11-23T20:13:31.535Z","ordering_key":"","attributes":{"k":"v"}}}"#,
            #"{"message":{"messageId":"7","publishTime":"2026-11-23T20:13:31.535Z","data":null,"attributes":{"k":"v"}}}"#,
            #"{"message":{"messageId":"7","publishTime":"2026-11-23T20:13:31.535Z","data":"","attributes":{"k":"v"},"more":[1]}}"#,
        ]
    )
    func spellings(body: String) throws {
        let message = try PubSubMessage(CloudEvent(request([:]), body: Data(body.utf8)))
        #expect(message.id == "7")
        #expect(message.publishTime == Date(timeIntervalSinceReferenceDate: 817_157_611.535))
        #expect(message.attributes == ["k": "v"])
        #expect(message.data.isEmpty)
        #expect(message.orderingKey == nil)
    }

    @Test(
        "a malformed push is refused, and the error names the place",
        arguments: [
            (#"{"message":{}}"#, "message.messageId is missing"),
            (#"{"message":null}"#, "message has the wrong type"),
            (#"{"message":[]}"#, "message has the wrong type"),
            (#"{"message":{"messageId":7}}"#, "message.messageId has the wrong type"),
            (#"{"message":{"messageId":"7","data":"%%%"}}"#, "message.data is not base64"),
            (#"{"message":{"messageId":"7","data":5}}"#, "message.data has the wrong type"),
            (#"{"message":{"messageId":"7","attributes":{"a":1}}}"#, "message.attributes.a has the wrong type"),
            (#"{"message":{"messageId":"7","publishTime":"now"}}"#, "message.publishTime is not an RFC 3339 time"),
            (#"{"message":{"messageId":"7"},"deliveryAttempt":"x"}"#, "deliveryAttempt has the wrong type"),
        ]
    )
    func malformedPush(body: String, reason: String) {
        #expect(throws: EnvelopeError.malformed(reason)) { try CloudEvent(request([:]), body: Data(body.utf8)) }
    }

    @Test("an event without a Pub/Sub message cannot be read as one", arguments: ["", "[]", "{}", #"{"message":1}"#])
    func noMessage(data: String) {
        let event = CloudEvent(id: "1", source: "s", type: "t", data: data.isEmpty ? nil : Data(data.utf8))
        #expect(throws: EnvelopeError.self) { try PubSubMessage(event) }
    }

    @Test(
        "the topic is in the path or in the query",
        arguments: [
            ("/projects/p/topics/t", "projects/p/topics/t"),
            ("/any/projects/p/topics/t?x=1", "projects/p/topics/t"), ("//projects/p/topics/t", "projects/p/topics/t"),
            ("//x:y/projects/p/topics/t", "projects/p/topics/t"), ("/projects/p%2dq/topics/t", "projects/p-q/topics/t"),
            ("/?__GCP_CloudEventsMode=CUSTOM_PUBSUB_projects%2Fp%2Ftopics%2Ft", "projects/p/topics/t"),
            ("/", nil), ("/projects/p", nil), ("/projects//topics/t", nil), ("/?__GCP_CloudEventsMode=OTHER", nil),
        ] as [(String, String?)]
    )
    func topic(path: String, name: String?) {
        #expect(Topic(path: path).name == name)
    }

    @Test("a written message reads back the same", arguments: PubSubMessage.DeliveryForm.allCases)
    func roundTrip(form: PubSubMessage.DeliveryForm) throws {
        let message = PubSubMessage(
            id: "99",
            data: Data("payload".utf8),
            attributes: ["a": "b"],
            publishTime: Date(timeIntervalSinceReferenceDate: 817_157_611.535),
            orderingKey: "k",
            subscription: "projects/p/subscriptions/s",
            deliveryAttempt: 2
        )
        let (head, body) = message.request(as: form, topic: "projects/p/topics/t")
        let event = try CloudEvent(head, body: body)
        var expected = message
        if form == .unwrapped || form == .legacy { expected.deliveryAttempt = nil }
        if form == .legacy { expected.subscription = nil }
        #expect(try PubSubMessage(event) == expected)
        let mark: [PubSubMessage.DeliveryForm: WireForm] = [
            .push: .push, .binary: .binary, .structured: .structured, .unwrapped: .unwrapped, .legacy: .legacy,
        ]
        let object = try? JSONElement(body)?.object()
        let marks: [WireForm.Mark: String] = [.message: "message", .context: "context", .eventId: "eventId"]
        let found = WireForm.detect(head.headerFields) { mark in marks[mark].flatMap { object?.element($0) } != nil }
        #expect(found == mark[form])
        #expect(event.time == message.publishTime)
    }

    @Test(
        "an ID that is not a valid header value is escaped in a binary CloudEvent",
        arguments: ["100 %", "caf\u{e9}", " \r\n\"\u{0}", "a%41"]
    )
    func escaping(id: String) throws {
        let (head, body) = PubSubMessage(id: id).request(as: .binary)
        #expect(head.headerFields.allSatisfy { $0.value.utf8.allSatisfy { (0x21...0x7e).contains($0) } })
        #expect(try CloudEvent(head, body: body).id == id)
    }

    private func request(_ headers: [String: String], path: String = "/") -> HTTPRequest {
        HTTPRequest(method: .post, scheme: nil, authority: nil, path: path, headerFields: fields(headers))
    }

    private func fields(_ headers: [String: String]) -> HTTPFields {
        var fields = HTTPFields()
        for (name, value) in headers { fields[HTTPField.Name(name)!] = value }
        return fields
    }
}
