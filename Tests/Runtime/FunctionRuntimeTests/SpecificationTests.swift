import FoundationEssentials
import HTTPTypes
import Support
import Testing

@testable import FunctionRuntime

/// What senders may send. Sources: CloudEvents HTTP protocol binding 1.0.2 and JSON event format
/// 1.0.2; RFC 3339; googleapis/google-cloudevents.
@Suite("Forms that the specifications allow")
struct SpecificationTests {
    private func request(_ fields: [String: String]) -> HTTPRequest {
        var request = HTTPRequest(method: .post, scheme: nil, authority: nil, path: "/")
        for (name, value) in fields { request.headerFields[HTTPField.Name(name)!] = value }
        return request
    }

    private let binary = ["ce-specversion": "1.0", "ce-id": "1", "ce-source": "s", "ce-type": "t", "content-type": "application/json"]
    private let structured = #"{"specversion":"1.0","id":"7","source":"s","type":"t","data":1}"#

    @Test("a structured event may also have ce- headers, which are ignored")
    func structuredWithHeaders() throws {
        let headers = binary.merging(["content-type": "application/cloudevents+json"]) { $1 }
        #expect(try CloudEvent(request(headers), body: Data(structured.utf8)).id == "7")
    }

    @Test(
        "a batch, another format and a content coding are not supported, whatever the other headers",
        arguments: [
            ["content-type": "application/cloudevents-batch+json"], ["content-type": "application/cloudevents+avro"],
            ["content-encoding": "gzip"], ["content-encoding": "br"],
        ]
    )
    func unsupported(fields: [String: String]) {
        let error = #expect(throws: EnvelopeError.self) {
            try CloudEvent(request(binary.merging(fields) { $1 }), body: Data("[]".utf8))
        }
        #expect(error?.isOfUnsupportedType == true)
    }

    @Test("the identity coding changes nothing")
    func identity() throws {
        _ = try CloudEvent(request(binary.merging(["content-encoding": "Identity"]) { $1 }), body: Data("1".utf8))
    }

    @Test(
        "a quoted header value is read without its quotes and backslashes, and then percent-decoded",
        arguments: [
            (#""Euro \"1\" \\ x""#, #"Euro "1" \ x"#), (#""caf%C3%A9""#, "café"), (#""""#, ""), (#"a"b""#, #"a"b""#), ("%41", "A"),
        ]
    )
    func quoted(value: String, meaning: String) throws {
        #expect(try CloudEvent(request(binary.merging(["ce-subject": value]) { $1 }), body: Data()).subject == meaning)
    }

    @Test("a broken quote or escape is refused", arguments: [#""a"#, #"""#, #""a"b""#, #""a\""#, "%+5", "%-5", "% 5", "%5", "%G1", "%FF"])
    func brokenQuote(value: String) {
        #expect(throws: EnvelopeError.self) { try CloudEvent(request(binary.merging(["ce-subject": value]) { $1 }), body: Data()) }
    }

    @Test(
        "a fraction of a second may have any number of digits",
        arguments: [
            ("2026-11-23T20:13:31.5Z", 500_000_000), ("2026-11-23T20:13:31.1234567891Z", 123_456_789),
            ("2026-11-23T20:13:31.000000000000000000001+09:00", 0),
        ] as [(String, Int32)]
    )
    func fraction(text: String, nanoseconds: Int32) throws {
        #expect(try #require(RFC3339(text)).nanoseconds == nanoseconds)
        #expect(try CloudEvent(request(binary.merging(["ce-time": text]) { $1 }), body: Data()).time != nil)
    }

    @Test("a time with a malformed fraction is refused", arguments: ["2026-11-23T20:13:31.Z", "2026-11-23T20:13:31.1a23456789Z"])
    func noFraction(text: String) { #expect(RFC3339(text) == nil) }

    @Test("null data and null base64 data are absent")
    func nullData() throws {
        func data(_ members: String) throws -> Data? {
            let body = #"{"specversion":"1.0","id":"7","source":"s","type":"t",\#(members)}"#
            return try CloudEvent(request(["content-type": "application/cloudevents+json"]), body: Data(body.utf8)).data
        }
        #expect(try data(#""data":1,"data_base64":null"#) == Data("1".utf8))
        #expect(try data(#""data":null,"data_base64":"aGk=""#) == Data("hi".utf8))
        #expect(try data(#""data":null"#) == nil)
    }

    @Test("a byte order mark is skipped, in every form")
    func byteOrderMark() throws {
        let mark = Data([0xef, 0xbb, 0xbf])
        let push = #"{"message":{"messageId":"1","data":"aGk="}}"#
        let forms = [
            ([:], push), (["content-type": "application/cloudevents+json"], structured),
            (binary.merging(["ce-type": CloudEvent.messagePublished]) { $1 }, push),
        ]
        for (headers, body) in forms { _ = try CloudEvent(request(headers), body: mark + Data(body.utf8)) }
        #expect(try PubSubMessage(CloudEvent(request([:]), body: mark + Data(push.utf8))).data == Data("hi".utf8))
        #expect(try PubSubMessage(CloudEvent(request(forms[2].0), body: mark + Data(push.utf8))).data == Data("hi".utf8))
    }

    @Test("a delivery attempt of 0 is unknown", arguments: [(0, nil), (-1, nil), (1, 1)] as [(Int, Int?)])
    func deliveryAttempt(sent: Int, read: Int?) throws {
        let body = #"{"message":{"messageId":"1"},"deliveryAttempt":\#(sent)}"#
        #expect(try PubSubMessage(CloudEvent(request([:]), body: Data(body.utf8))).deliveryAttempt == read)
    }

    @Test("the error for a structured event with another content type names the right one", arguments: ["application/json", "text/plain"])
    func unmarked(type: String) {
        let error = #expect(throws: EnvelopeError.self) { try CloudEvent(request(["content-type": type]), body: Data(structured.utf8)) }
        #expect(error?.description.contains("application/cloudevents+json") == true)
    }
}
