import BookingStatusService
import BookingStatusSync
import FoundationEssentials
import FunctionServer
package import Logging
import ServiceLifecycle
import Synchronization
import Zendesk
package import ZendeskSimulator

/// The whole way in one process, on loopback: bookings, push, the function as it runs in production, and a simulated Zendesk.
package struct LocalStack: Sendable {
    package let zendesk: ZendeskSimulator
    package let subscription: PushSubscription
    /// Where the function listens.
    package let functionURL: String
    private let table: Shared<BookingTable>
    private let layout: RecordLayout

    /// Commits a change of a booking and publishes its change record.
    ///
    /// - Parameter status: nil deletes the booking.
    /// - Returns: when it was committed, in seconds since 1970.
    @discardableResult
    package func commit(_ bookingID: String, _ status: String?) -> Double {
        let now = Date().timeIntervalSince1970
        guard let record = table.withLock({ $0.commit(bookingID, status, now: now) }) else { return now }
        subscription.publish(layout.json(record))
        return record.committedAt
    }

    package var bookings: [String: String] { table.withLock(\.statuses) }

    /// Starts everything on free ports, runs the body, and ends everything with it.
    package static func run<Result: Sendable>(
        account: SimulatedZendesk,
        layout: RecordLayout = .google,
        logger: Logger,
        _ body: @Sendable (LocalStack) async throws -> Result
    ) async throws -> Result {
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            var services: [ServiceGroup] = []
            let (simulatorPort, simulatorListens) = AsyncStream.makeStream(of: Int.self)
            let zendesk = ZendeskSimulator(account, logger: logger) { simulatorListens.yield($0) }
            services.append(tasks.start(zendesk, logger) { simulatorListens.finish() })
            guard let zendeskPort = await simulatorPort.first else { throw try await tasks.failure() }

            let settings = ServiceSettings(
                server: FunctionServerConfiguration(host: "127.0.0.1", port: 0),
                bookingStatus: LocalAccount.settings,
                zendeskURL: "http://127.0.0.1:\(zendeskPort)",
                zendeskCredentials: .client(id: LocalAccount.client.id, secret: LocalAccount.client.secret)
            )
            let (functionPort, functionListens) = AsyncStream.makeStream(of: Int.self)
            let function = BookingStatusService(settings: settings, logger: logger) { functionListens.yield($0) }
            services.append(tasks.start(function, logger) { functionListens.finish() })
            guard let port = await functionPort.first else { throw try await tasks.failure() }

            let subscription = PushSubscription(endpoint: "http://127.0.0.1:\(port)/")
            services.append(tasks.start(subscription, logger))
            let stack = LocalStack(
                zendesk: zendesk,
                subscription: subscription,
                functionURL: "http://127.0.0.1:\(port)/",
                table: Shared(BookingTable()),
                layout: layout
            )
            let result = try await body(stack)
            // Against the stream, so that nobody loses whom it calls.
            for service in services.reversed() {
                await service.triggerGracefulShutdown()
                try await tasks.next()
            }
            return result
        }
    }
}

/// A value that several tasks change.
final class Shared<Value: Sendable>: Sendable {
    private let value: Mutex<Value>

    init(_ value: Value) { self.value = Mutex(value) }

    func withLock<Result: Sendable>(_ body: (inout sending Value) -> Result) -> Result {
        value.withLock { value in body(&value) }
    }
}

extension AsyncStream where Element: Sendable {
    fileprivate var first: Element? {
        get async {
            for await element in self { return element }
            return nil
        }
    }
}

extension ThrowingTaskGroup<Void, any Error> {
    fileprivate mutating func start(
        _ service: some Service,
        _ logger: Logger,
        onEnd: @escaping @Sendable () -> Void = {}
    ) -> ServiceGroup {
        var quiet = logger
        quiet.logLevel = Swift.max(logger.logLevel, .warning)
        let group = ServiceGroup(configuration: .init(services: [service], logger: quiet))
        addTask {
            defer { onEnd() }
            try await group.run()
        }
        return group
    }

    /// Why a service ended before it listened.
    fileprivate mutating func failure() async throws -> any Error {
        _ = try await next()
        return CancellationError()
    }
}
