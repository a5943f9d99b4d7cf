import FoundationEssentials
import HTTPTypes
package import HummingbirdCore
package import Logging
import NIOCore
import NIOFoundationEssentialsCompat
import FunctionHosting
import ServiceLifecycle
import Synchronization

/// Serves the simulated account over HTTP, for local work and tests. It listens on loopback only.
package final class SimulatorServer: Service {
    private let account: Mutex<SimulatedZendesk>
    private let port: Int
    private let currentDelay: Mutex<Duration>
    private let logger: Logger
    private let front: @Sendable (Request) async throws -> Response?
    private let onListening: @Sendable (_ port: Int) async -> Void

    /// - Parameters:
    ///   - port: 0 picks a free port.
    ///   - delay: the delay of each answer.
    ///   - front: answers other requests on the port; nil passes a request on to the account.
    package init(
        _ account: SimulatedZendesk,
        port: Int = 0,
        delay: Duration = .zero,
        logger: Logger,
        front: @escaping @Sendable (Request) async throws -> Response? = { _ in nil },
        onListening: @escaping @Sendable (_ port: Int) async -> Void = { _ in }
    ) {
        self.account = Mutex(account)
        self.port = port
        currentDelay = Mutex(delay)
        self.logger = logger
        self.front = front
        self.onListening = onListening
    }

    /// Reads the account, or changes it without the API. The second argument is the time, in
    /// seconds since 1970.
    package func withAccount<Result>(_ body: (inout SimulatedZendesk, Double) throws -> sending Result) rethrows -> sending Result {
        try account.withLock { try body(&$0, Date().timeIntervalSince1970) }
    }

    /// The delay of each answer.
    package var delay: Duration {
        get { currentDelay.withLock { $0 } }
        set { currentDelay.withLock { $0 = newValue } }
    }

    package func run() async throws {
        let server = LoopbackServer(port: port, logger: logger) { port in
            await self.listens(on: port)
        } respond: { request in
            try await self.respond(to: request)
        }
        try await server.run()
    }

    private func listens(on port: Int) async {
        withAccount { account, _ in account.baseURL = "http://127.0.0.1:\(port)" }
        await onListening(port)
    }

    private func respond(to request: Request) async throws -> Response {
        if let answer = try await front(request) { return answer }
        let body = try await request.body.collect(upTo: 1 << 20)
        let simulated = SimulatedZendesk.Request(
            method: request.method.rawValue,
            target: request.head.path ?? "/",
            authorization: request.headers[.authorization],
            body: Data(buffer: body)
        )
        if delay > .zero { try await Task.sleep(for: delay) }
        let (answer, unknown) = withAccount { account, now in
            let before = account.unknownRequests.count
            return (account.respond(to: simulated, now: now), account.unknownRequests.dropFirst(before).first)
        }
        if let unknown { logger.error("the simulator does not know this request", metadata: ["request": "\(unknown)"]) }
        var headers = HTTPFields()
        for (name, value) in answer.headers {
            if let name = HTTPField.Name(name) { headers[name] = value }
        }
        return Response(status: .init(code: answer.status), headers: headers, body: .init(byteBuffer: ByteBuffer(data: answer.body)))
    }
}
