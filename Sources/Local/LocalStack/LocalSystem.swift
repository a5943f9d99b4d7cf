import BookingStatusService
import BookingStatusSync
import FoundationEssentials
import FunctionHosting
package import Logging
import NIOPosix
import ServiceLifecycle
import Support
import Synchronization
import TicketWebhook
import Zendesk
package import ZendeskSimulator

/// The whole system in one process, on loopback: bookings, change stream, pipeline, push, the
/// function as in production, a simulated Zendesk, and a console to watch all of it.
package struct LocalSystem: Sendable {
    package let zendesk: SimulatorServer
    package let bookings: any BookingStore
    package let pipeline: Pipeline
    package let broker: any Broker
    package let journal: Journal
    /// Where the function listens.
    package let functionURL: String
    /// Where the console and the simulated Zendesk are.
    package let consoleURL: String
    /// The storage of bookings and messages, in a word or two.
    package let parts: String

    package struct Configuration: Sendable {
        package var account: SimulatedZendesk
        package var layout = RecordLayout.google
        /// 0 picks a free port.
        package var functionPort = 0
        package var consolePort = 0
        /// The URL of a function to use instead of our own, without a path.
        package var functionURL: String?
        package var writesPerMinute = 50
        package var readsPerMinute = 200
        package var push = PushSubscription.Settings()
        /// The delay of each of Zendesk's answers.
        package var delay = Duration.zero
        /// The interval between sweeps of recently updated tickets; nil for no sweeps.
        package var sweepInterval: Duration?
        /// Signs the webhooks for new tickets; nil for no webhooks. The receiver checks signatures with
        /// the same function. The default uses no cryptography, and protects nothing.
        package var sign: WebhookSender.Sign? = { secret, text in Data((Data(secret.utf8) + text).reversed()) }
        /// Google's emulators, instead of the parts in memory.
        package var google: Google?

        package struct Google: Sendable {
            /// The statements that create the database.
            package var statements: [String]

            package init(statements: [String]) { self.statements = statements }
        }

        package init(account: SimulatedZendesk) { self.account = account }
    }

    /// Starts all parts, runs the body, then stops all parts.
    package static func run<Result: Sendable>(
        _ configuration: Configuration,
        logger: Logger,
        _ body: @Sendable (LocalSystem) async throws -> Result
    ) async throws -> Result {
        guard let google = configuration.google else { return try await run(configuration, nil, logger, body) }
        let emulators = try await GoogleEmulators.start()
        defer { emulators.end() }
        return try await run(configuration, (emulators, google.statements), logger, body)
    }

    private static func run<Result: Sendable>(
        _ configuration: Configuration,
        _ google: (emulators: GoogleEmulators, statements: [String])?,
        _ logger: Logger,
        _ body: @Sendable (LocalSystem) async throws -> Result
    ) async throws -> Result {
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            var services: [ServiceGroup] = []
            let journal = Journal()
            let console = Console()
            var account = configuration.account
            account.onAudit = { journal.audited($0, $1) }
            let simulator = Locked<SimulatorServer?>(nil)
            let webhooks = configuration.sign.map { sign in
                WebhookSender(sign: sign) { webhook, status, code in
                    simulator.value?.withAccount { account, _ in account.invoked(webhook, status: status, code: code) }
                }
            }
            if let webhooks { account.onWebhook = { webhooks.take($0) } }
            let (consolePorts, consoleListens) = AsyncStream.makeStream(of: Int.self)
            let zendesk = SimulatorServer(
                account,
                port: configuration.consolePort,
                delay: configuration.delay,
                logger: logger,
                front: { try await console.respond(to: $0) },
                onListening: { consoleListens.yield($0) }
            )
            simulator.withLock { $0 = zendesk }
            services.append(tasks.start(zendesk, logger) { consoleListens.finish() })
            guard let consolePort = await consolePorts.first else { throw try await tasks.failure() }
            let consoleURL = "http://127.0.0.1:\(consolePort)"

            let tap = "\(consoleURL)\(Console.tapPath)"
            let parts =
                if let google {
                    try await Parts.google(google.emulators, google.statements, configuration, tap, journal)
                } else {
                    Parts.inMemory(configuration, tap, journal)
                }
            var functionURL = configuration.functionURL
            if functionURL == nil {
                let (functionPorts, functionListens) = AsyncStream.makeStream(of: Int.self)
                let function = SyncService(
                    settings: functionSettings(configuration, zendeskURL: consoleURL, parts.database),
                    connect: { LoopbackHTTP($0) },
                    bookings: parts.source,
                    logger: logger.observed(by: journal),
                    onListening: { functionListens.yield($0) }
                )
                services.append(tasks.start(function, logger) { functionListens.finish() })
                guard let port = await functionPorts.first else { throw try await tasks.failure() }
                functionURL = "http://127.0.0.1:\(port)"
            }
            for part in parts.services { services.append(tasks.start(part, logger)) }
            if let webhooks, let sign = configuration.sign {
                let (ports, listens) = AsyncStream.makeStream(of: Int.self)
                let receiver = FunctionServer(
                    receiver(sign, parts.broker, journal, zendesk),
                    configuration: FunctionServerConfiguration(host: "127.0.0.1", port: 0),
                    logger: logger
                ) { listens.yield($0) }
                services.append(tasks.start(receiver, logger) { listens.finish() })
                guard let port = await ports.first else { throw try await tasks.failure() }
                zendesk.withAccount { account, _ in account.webhooks = [webhook("http://127.0.0.1:\(port)/")] }
                services.append(tasks.start(webhooks, logger))
            }
            if let interval = configuration.sweepInterval {
                let schedule = SweepSchedule(endpoint: "\(tap)/\(EventSender.topic)-sweep", every: interval)
                services.append(tasks.start(schedule.subscription, logger))
                services.append(tasks.start(schedule, logger))
            }
            let stack = LocalSystem(
                zendesk: zendesk,
                bookings: parts.bookings,
                pipeline: parts.pipeline,
                broker: parts.broker,
                journal: journal,
                functionURL: "\(functionURL ?? "")/",
                consoleURL: consoleURL,
                parts: google == nil ? "in memory" : "Google's emulators"
            )
            console.open(stack)
            let result = try await body(stack)
            // Services stop in reverse order, so that none loses a service it calls.
            for service in services.reversed() {
                await service.triggerGracefulShutdown()
                try await tasks.next()
            }
            return result
        }
    }
}

extension LocalSystem {
    private static let webhookSecret = "local-webhook-secret"

    private static func webhook(_ endpoint: String) -> SimulatedZendesk.Webhook {
        let subscriptions = [SimulatedZendesk.ticketCreated]
        return .init(id: "webhook-1", name: "booking-status-sync", endpoint: endpoint, subscriptions: subscriptions, secret: webhookSecret)
    }

    private static func receiver(
        _ sign: @escaping WebhookSender.Sign,
        _ broker: any Broker,
        _ journal: Journal,
        _ zendesk: SimulatorServer
    ) -> WebhookReceiver {
        // Whether it gets changes of fields is the subscriptions' matter.
        WebhookReceiver(isAuthentic: { $0 == sign(webhookSecret, $1) }, bookingIDField: LocalAccount.bookingIDField) {
            attributes,
            _ throws(GoogleAPI.Failure) in
            do {
                let id = try await broker.publish(Data(), attributes: attributes)
                let ticket = attributes["ticket"].flatMap { Int($0) }
                let openedAt = zendesk.withAccount { account, _ in ticket.flatMap { account.tickets[$0]?.createdAt } }
                journal.published(id, ticket: ticket, openedAt: openedAt)
            } catch {
                throw GoogleAPI.Failure("\(error)")
            }
        }
    }

    private static func functionSettings(
        _ configuration: Configuration,
        zendeskURL: String,
        _ database: SpannerSettings?
    ) -> ServiceSettings {
        ServiceSettings(
            server: FunctionServerConfiguration(host: "127.0.0.1", port: configuration.functionPort),
            bookingStatus: LocalAccount.settings,
            zendeskURL: zendeskURL,
            zendeskCredentials: .client(id: LocalAccount.client.id, secret: LocalAccount.client.secret),
            readsPerMinute: configuration.readsPerMinute,
            writesPerMinute: configuration.writesPerMinute,
            spanner: database
        )
    }

    /// The bookings, the messages, and the services that carry changes between them.
    private struct Parts {
        let broker: any Broker
        let bookings: any BookingStore
        let pipeline: Pipeline
        /// The bookings that a sweep reads: a store of our own, or a database.
        var source: (any BookingSource)?
        var database: SpannerSettings?
        /// In the order in which they start.
        let services: [any Service]

        static func inMemory(_ configuration: Configuration, _ tap: String, _ journal: Journal) -> Parts {
            let subscription = PushSubscription(endpoint: "\(tap)/\(EventSender.topic)", settings: configuration.push)
            let pipeline = Pipeline(layout: configuration.layout, broker: subscription, journal: journal)
            let table = BookingTable { pipeline.take($0) }
            return Parts(broker: subscription, bookings: table, pipeline: pipeline, source: table, services: [subscription, pipeline])
        }

        static func google(
            _ emulators: GoogleEmulators,
            _ statements: [String],
            _ configuration: Configuration,
            _ tap: String,
            _ journal: Journal
        ) async throws -> Parts {
            let spanner = try await SpannerBookings(url: emulators.spannerURL, statements: statements)
            let pubSub = try await PubSubEmulator(url: emulators.pubSubURL, endpoint: tap)
            let pipeline = Pipeline(layout: configuration.layout, broker: pubSub, journal: journal)
            let reader = ChangeStreamReader(spanner, start: try await spanner.now(), journal: journal) { pipeline.take($0) }
            return Parts(
                broker: pubSub,
                bookings: spanner,
                pipeline: pipeline,
                database: SpannerSettings(database: SpannerBookings.database, url: emulators.spannerURL),
                services: [pipeline, reader]
            )
        }
    }
}

extension LocalSystem {
    /// Returns once every commit is acknowledged or given up.
    ///
    /// - Throws: ``NotDrained`` if that takes longer than `time`.
    package func drained(within time: Duration = .seconds(60)) async throws {
        let end = ContinuousClock.now + time
        while !(pipeline.isEmpty && journal.isQuiet) {
            guard ContinuousClock.now < end else { throw NotDrained() }
            try await Task.sleep(for: .milliseconds(5))
        }
    }

    package struct NotDrained: Error, CustomStringConvertible {
        package let description = "messages are not acknowledged: run with --verbose to see why"
    }
}

extension Logger {
    /// Passes entries of level `info` and above to the journal, whatever level is shown.
    fileprivate func observed(by journal: Journal) -> Logger {
        var observer = FunctionLogObserver(journal)
        observer.logLevel = .info
        var shown = handler
        shown.logLevel = logLevel
        let multiplex = MultiplexLogHandler([shown, observer])
        return Logger(label: label) { _ in multiplex }
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
