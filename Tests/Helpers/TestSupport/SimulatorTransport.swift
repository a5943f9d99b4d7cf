import Foundation
package import Support
import Synchronization
package import ZendeskSimulator

/// Calls the simulated account directly, without a socket.
package final class SimulatorTransport: OutboundTransport {
    private let account: Mutex<SimulatedZendesk>
    private let log = Mutex<[OutboundRequest]>([])
    private let time: TimeSource
    /// Intercepts a request before the account gets it, to spoil it.
    private let interfere = Mutex<(@Sendable (OutboundRequest, Int) throws(OutboundError) -> OutboundResponse?)?>(nil)
    /// Runs after the account has answered, and may lose the answer.
    private let afterwards = Mutex<(@Sendable (OutboundRequest, Int) throws(OutboundError) -> Void)?>(nil)

    /// How long an answer takes.
    private let delay = Mutex<(@Sendable (OutboundRequest) -> Duration?)?>(nil)

    private let writtenDate = Mutex<String??>(nil)

    /// The `Date` of every answer: `.some(nil)` for none, nil for the account's own.
    package var date: String?? {
        get { writtenDate.withLock { $0 } }
        set { writtenDate.withLock { $0 = newValue } }
    }

    package init(_ account: SimulatedZendesk, _ time: TimeSource) {
        self.account = Mutex(account)
        self.time = time
    }

    package var requests: [OutboundRequest] { log.withLock { $0 } }
    package var writes: [OutboundRequest] { requests.filter { $0.method == .put } }

    /// Sets the interceptor of requests. It gets each request and its number from 1; nil passes the
    /// request on to the account.
    package func before(_ body: @escaping @Sendable (OutboundRequest, Int) throws(OutboundError) -> OutboundResponse?) {
        interfere.withLock { $0 = body }
    }

    package func after(_ body: @escaping @Sendable (OutboundRequest, Int) throws(OutboundError) -> Void) {
        afterwards.withLock { $0 = body }
    }

    /// Sets how long answers take; nil for no time.
    package func delay(_ body: @escaping @Sendable (OutboundRequest) -> Duration?) { delay.withLock { $0 = body } }

    package func withAccount<Result: Sendable>(_ body: (inout SimulatedZendesk, Double) -> Result) -> Result {
        account.withLock { body(&$0, time.secondsSince1970()) }
    }

    package func send(_ request: OutboundRequest, timeout: Duration) async throws(OutboundError) -> OutboundResponse {
        let number = log.withLock { log in
            log.append(request)
            return log.count
        }
        if let delay = delay.withLock({ $0 })?(request) {
            do { try await time.sleep(delay) } catch { throw .cancelled }
        }
        if let interfere = interfere.withLock({ $0 }), let response = try interfere(request, number) { return response }
        let answer = withAccount { account, now in
            account.respond(
                to: .init(
                    method: request.method.rawValue,
                    target: request.target,
                    authorization: request.headers.first { $0.name == "authorization" }?.value,
                    body: request.body ?? Data()
                ),
                now: now
            )
        }
        if let afterwards = afterwards.withLock({ $0 }) { try afterwards(request, number) }
        var headers = answer.headers
        if let date { headers["date"] = date }
        return OutboundResponse(status: answer.status, headers: headers, body: answer.body)
    }
}
