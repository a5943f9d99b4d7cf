import BookingStatusSync
import Zendesk

/// One instance of the function: the real handler with the real client, until it dies.
final class Instance: @unchecked Sendable {
    let number: Int
    var isAlive = true
    private(set) var handler: BookingStatusHandler!

    var name: String { "instance-\(number)" }

    init(_ number: Int, _ world: World) {
        self.number = number
        let executor = world.executor
        let time = TimeSource(
            now: { executor.now },
            secondsSince1970: { world.now },
            sleep: { duration in
                try await executor.sleep(duration)
                guard self.isAlive else { throw CancellationError() }
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
        handler = BookingStatusHandler(settings: world.settings, zendesk: client, time: time, rule: rule)
    }
}
