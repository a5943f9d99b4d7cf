import BookingStatusSync
import Support
import Zendesk

/// One instance of the function: the real handler with the real client. It runs until it dies or is
/// drained.
final class Instance: @unchecked Sendable {
    let number: Int
    private let life: Life
    /// How far its clock is ahead of the true time, in seconds.
    let clockError: Double
    /// The rows and tickets that it was given.
    var given = 0
    /// The bookings of the tickets that searches have shown it.
    var seen: [Int: String] = [:]
    private let (stops, stop) = AsyncStream.makeStream(of: Never.self)
    var isAlive: Bool {
        get { life.isAlive }
        set { life.isAlive = newValue }
    }

    private final class Life: @unchecked Sendable { var isAlive = true }
    private(set) var handler: BookingStatusHandler!
    private(set) var time: TimeSource!

    var name: String { "instance-\(number)" }

    init(_ number: Int, _ world: World, settings: BookingStatusSettings, clockError: Double) {
        self.number = number
        self.clockError = clockError
        let executor = world.executor
        let life = Life()
        self.life = life
        time = TimeSource(
            now: { executor.now },
            secondsSince1970: { world.now + clockError + (world.mutant == .youngStampsTrusted ? 3 : 0) },
            sleep: { duration in
                try await executor.sleep(duration)
                guard life.isAlive else { throw CancellationError() }
            },
            random: { executor.number(0...0.999) }
        )
        let client = ZendeskClient(
            transport: SimulatedTransport(world, self),
            credentials: .client(id: "c", secret: "s"),
            readsPerMinute: world.readsPerMinute,
            writesPerMinute: world.writesPerMinute,
            limits: world.pageLimits,
            time: time
        )
        var settings = settings
        if world.mutant == .dryRunWrites { settings.dryRun = false }
        let rule = world.mutant?.rule(world.history) ?? Mutant.none
        handler = BookingStatusHandler(
            settings: settings,
            zendesk: client,
            bookings: SimulatedBookings(world, self),
            sizes: world.sizes,
            time: time,
            rule: rule
        )
    }

    /// Runs the handler's background work until the task is cancelled or the instance has been
    /// drained.
    func run() async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { try? await self.handler.run() }
            group.addTask { for await _ in self.stops {} }
            await group.next()
            group.cancelAll()
        }
    }

    /// Begins to shut down, as after SIGTERM.
    func drain() { handler.shutdownBegan() }

    func end() { stop.finish() }
}
