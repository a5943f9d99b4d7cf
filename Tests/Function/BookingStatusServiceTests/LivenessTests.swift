import BookingStatusSync
import Foundation
import FunctionHosting
import FunctionRuntime
import HTTPTypes
import Support
import Synchronization
import TestSupport
import Testing
import Zendesk

@Suite("Liveness")
struct LivenessTests {
    /// Never answers, whatever the timeout, until it is released.
    private final class HangingTransport: OutboundTransport {
        private let state = Mutex((waiting: [CheckedContinuation<Void, Never>](), isReleased: false))

        var isAsked: Bool { state.withLock { !$0.waiting.isEmpty } }

        func release() {
            let waiting = state.withLock { state in
                defer { state = ([], true) }
                return state.waiting
            }
            for continuation in waiting { continuation.resume() }
        }

        func send(_ request: OutboundRequest, timeout: Duration) async throws(OutboundError) -> OutboundResponse {
            await withCheckedContinuation { continuation in
                let waits = state.withLock { state in
                    if !state.isReleased { state.waiting.append(continuation) }
                    return !state.isReleased
                }
                if !waits { continuation.resume() }
            }
            let body = Data(#"{"error":"RecordNotFound","description":"Not found"}"#.utf8)
            return OutboundResponse(status: 404, headers: ["content-type": "application/json"], body: body)
        }
    }

    @Test("a function whose work hangs answers the probe with 503, until the work ends")
    func hanging() async throws {
        let elapsed = Mutex(Duration.zero)
        let time = TimeSource(
            now: { elapsed.withLock(\.self) },
            secondsSince1970: { 1_795_464_900 },
            sleep: { duration in
                let end = elapsed.withLock { $0 + duration }
                while elapsed.withLock({ $0 < end }) { try await Task.sleep(for: .milliseconds(1)) }
            },
            random: { 0.5 }
        )
        let transport = HangingTransport()
        let settings = BookingStatusSettings(bookingIDField: 1, bookingStatusField: 2, bookingVersionField: 3, tags: ["Booked": "booked"])
        let zendesk = ZendeskClient(transport: transport, credentials: .accessToken("t"), time: time)
        let function = InProcessFunction(
            BookingStatusHandler(settings: settings, zendesk: zendesk, time: time),
            configuration: .init(timeout: .seconds(60), livenessPath: "/alive")
        )
        func probe() async -> Int {
            let request = HTTPRequest(method: .get, scheme: nil, authority: nil, path: "/alive")
            return await function.respond(to: request).response.status.code
        }
        #expect(await probe() == 204)
        let record = """
            {"commitTimestamp":{"seconds":1795464800,"nanos":0},"serverTransactionId":"t","recordSequence":"0","tableName":"Bookings",
            "modType":"INSERT","mods":[{"keysJson":"{\\"ID\\":\\"b-1\\"}","newValuesJson":"{\\"Status\\":\\"Booked\\"}"}]}
            """
        async let answer = function.deliver(PubSubMessage(id: "1", data: Data(record.utf8)))
        try await eventually("Zendesk is asked") { transport.isAsked }
        elapsed.withLock { $0 += .seconds(299) }
        #expect(await probe() == 204)
        elapsed.withLock { $0 += .seconds(1) }
        #expect(await probe() == 503)
        transport.release()
        try await eventually("the work has ended") { await probe() == 204 }
        #expect(await answer.response.status.code == 503)
    }
}
