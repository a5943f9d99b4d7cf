import BookingStatusSync
import Foundation
import BookingStatusService
import SpannerChangeStreams
import Synchronization
import TestSupport
import Testing
import Support

@Suite("Damaged answers from Spanner and the metadata server", .timeLimit(.minutes(10)))
struct SpannerMutationTests {
    private static let bodies = [
        #"{"access_token":"token","expires_in":3599,"token_type":"Bearer"}"#,
        #"{"name":"projects/p/instances/i/databases/d/sessions/s"}"#,
        #"{"metadata":{"rowType":{"fields":[{"name":"ID","type":{"code":"STRING"}}]}}}"#,
        #"{"metadata":{"transaction":{"readTimestamp":"2026-11-24T08:00:00.123456Z"}},"rows":[["b-1","InStay"],["b-2",null]]}"#,
        #"{"error":{"code":5,"message":"Session not found","status":"NOT_FOUND"}}"#,
    ]

    @Test("a read ends in few calls, with bookings or with an error that contains no token")
    func damaged() async throws {
        for seed in 0..<Mutation.count {
            let mutation = Mutex(Mutation(seed: seed, Self.bodies))
            let calls = Mutex(0)
            let http = ScriptedTransport { request in
                calls.withLock { $0 += 1 }
                return mutation.withLock { mutation in
                    let isWell = mutation.pick([true, true, false])
                    let path = request.target
                    let well =
                        path.hasSuffix("/token")
                        ? 0 : path.hasSuffix("/sessions") ? 1 : path.hasSuffix(":executeSql") ? mutation.pick([2, 3]) : 4
                    return OutboundResponse(
                        status: isWell ? 200 : mutation.pick([200, 200, 401, 403, 404, 429, 500, 503, -1]),
                        body: isWell ? Data(Self.bodies[well].utf8) : mutation.next()
                    )
                }
            }
            let database = SpannerDatabase(
                SpannerSettings(database: "projects/p/instances/i/databases/d", url: "https://s", role: nil, metadataHost: "m"),
                bookings: BookingStatusSettings(bookingIDField: 1, bookingStatusField: 2, tags: [:]),
                connect: { _ in http }
            )
            for _ in 0..<3 {
                do {
                    _ = try await database.read(["b-1"], deadline: Deadline(after: .seconds(30), .system))
                } catch {
                    #expect(!"\(error)".contains("token\""), "seed \(seed)")
                    #expect("\(error)".utf8.count < 500, "seed \(seed)")
                }
            }
            #expect(calls.withLock { $0 } < 40, "seed \(seed)")
        }
    }
}
