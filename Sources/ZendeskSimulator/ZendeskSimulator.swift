import FoundationEssentials
import HTTPTypes
import Hummingbird
package import Logging
import NIOCore
import NIOFoundationEssentialsCompat
import ServerConnections
import ServiceLifecycle
import Synchronization

/// The simulated account behind HTTP, for local work and tests. It listens on loopback only.
package final class ZendeskSimulator: Service {
    private let account: Mutex<SimulatedZendesk>
    private let port: Int
    private let delay: Duration
    private let logger: Logger
    private let onListening: @Sendable (_ port: Int) async -> Void

    /// - Parameters:
    ///   - port: 0 takes a free one.
    ///   - delay: how long each answer takes.
    package init(
        _ account: SimulatedZendesk,
        port: Int = 0,
        delay: Duration = .zero,
        logger: Logger,
        onListening: @escaping @Sendable (_ port: Int) async -> Void = { _ in }
    ) {
        self.account = Mutex(account)
        self.port = port
        self.delay = delay
        self.logger = logger
        self.onListening = onListening
    }

    /// Reads the account, or does to it what does not go through the API. The second argument is the time, in seconds since 1970.
    package func withAccount<Result>(_ body: (inout SimulatedZendesk, Double) throws -> sending Result) rethrows -> sending Result {
        try account.withLock { try body(&$0, Date().timeIntervalSince1970) }
    }

    package func run() async throws {
        var serverLogger = logger
        serverLogger.logLevel = max(logger.logLevel, .notice)
        let application = Application(
            responder: CallbackResponder { request, context in try await self.respond(to: request, context) },
            server: .acceptedHTTP1,
            configuration: .init(address: .hostname("127.0.0.1", port: port)),
            onServerRunning: { [onListening] channel in await onListening(channel.localAddress?.port ?? 0) },
            logger: serverLogger
        )
        try await application.run()
    }

    private func respond(to request: Request, _ context: SimulatorContext) async throws -> Response {
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

private struct SimulatorContext: InitializableFromSource {
    init(source: ApplicationRequestContextSource) {}
}
