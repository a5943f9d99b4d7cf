import FunctionRuntime
import Foundation
import HTTPTypes
import SpannerChangeStreams
import TestSupport
import Testing

@Suite("The sample events")
struct SampleEventTests {
    private static let records = Fixtures.events.filter { $0.lastPathComponent.contains(/^\d-/) }

    @Test("each one is a complete record of its producer", arguments: records)
    func decodes(file: URL) throws {
        let record = try DataChangeRecord(json: Data(contentsOf: file))
        #expect(record.tableName == "Bookings")
        let isGoogle = file.lastPathComponent.contains(".google.")
        #expect(record.commitTimestamp?.precision == (isGoogle ? .microseconds : .milliseconds))
        #expect((record.commitTimestamp?.precision == .microseconds) == isGoogle)
    }

    @Test("each producer's events are numbered in order of time", arguments: ["google", "mercari"])
    func order(producer: String) throws {
        let files = Self.records.filter { $0.lastPathComponent.contains(".\(producer).") }
        #expect(files.count == 6)
        let times = try files.map { try #require(try DataChangeRecord(json: Data(contentsOf: $0)).commitTimestamp) }
        #expect(zip(times, times.dropFirst()).allSatisfy { $0.isBefore($1) == true })
    }

    @Test("the push body carries the booked record")
    func push() throws {
        let file = try #require(Fixtures.events.first { $0.lastPathComponent == "booked.push.json" })
        let booked = try #require(Self.records.first { $0.lastPathComponent == "2-booked.google.json" })
        let request = HTTPRequest(method: .post, scheme: nil, authority: nil, path: "/")
        let message = try PubSubMessage(CloudEvent(request, body: Data(contentsOf: file)))
        #expect(try DataChangeRecord(json: message.data) == DataChangeRecord(json: Data(contentsOf: booked)))
        #expect(message.subscription == "projects/my-project/subscriptions/bookings-status-push")
    }
}
