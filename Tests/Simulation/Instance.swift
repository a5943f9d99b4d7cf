import BookingStatusSync
import Zendesk

/// One instance of the function: the real handler with the real client, until it dies.
final class Instance: @unchecked Sendable {
    let number: Int
    private let life: Life
    var isAlive: Bool {
        get { life.isAlive }
        set { life.isAlive = newValue }
    }

    private final class Life: @unchecked Sendable { var isAlive = true }
    private(set) var handler: BookingStatusHandler!
    let time: TimeSource

    var name: String { "instance-\(number)" }

    init(_ number: Int, _ world: World) {
        self.number = number
        let executor = world.executor
        let life = Life()
        self.life = life
        time = TimeSource(
            now: { executor.now },
            secondsSince1970: { world.now },
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
            time: time
        )
        let rule = world.mutant?.rule ?? Mutant.none
        handler = BookingStatusHandler(
            settings: world.settings,
            zendesk: client,
            bookings: SimulatedBookings(world, self),
            time: time,
            rule: rule
        )
    }
}
