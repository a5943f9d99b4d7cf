import BookingStatusSync
import SpannerChangeStreams
import Support
import Zendesk

/// Spanner, as one instance reads it. Each answer is the state of one moment, and is outdated when
/// it arrives.
final class SimulatedBookings: BookingSource, @unchecked Sendable {
    private let world: World
    private let instance: Instance

    init(_ world: World, _ instance: Instance) {
        self.world = world
        self.instance = instance
    }

    func read(_ ids: [String], deadline: Deadline) async throws(BookingSourceError) -> BookingReading {
        try await pause()
        if world.isChaos, world.executor.chance(0.5) { await waitForCommit(of: ids) }
        if world.isChaos, world.executor.chance(world.faultRate) {
            world.count(.spannerFailed)
            throw BookingSourceError("Spanner answers 503")
        }
        let microseconds = Int64(world.elapsed * 1_000_000)
        let twice = ids.filter(world.isTwiceInSpanner)
        if !twice.isEmpty { world.count(.ambiguousInSpanner) }
        let found = ids.filter { world.history.exists($0, at: microseconds) && !twice.contains($0) }
            .map { ($0, world.history.status($0, at: microseconds)) }
        if found.contains(where: { $0.1 == nil }) { world.count(.noStatusInSpanner) }
        world.trace { "  \(self.instance.name) reads bookings: \(found.map { "\($0) \($1 ?? "-")" }) of \(ids)" }
        var readAt = microseconds
        // For a mutant: claims to know all commits in the rest of the millisecond.
        if world.mutant == .readTimestampRoundedUp { readAt += 999 }
        let time = CommitTimestamp(
            seconds: Int64(History.start) + readAt / 1_000_000,
            nanoseconds: Int32(readAt % 1_000_000) * 1000,
            precision: .microseconds
        )
        try await pause()
        return BookingReading(statuses: Dictionary(uniqueKeysWithValues: found), ambiguous: Set(twice), readTimestamp: time)
    }

    /// Waits for the millisecond of a nearby commit, to read just before it.
    private func waitForCommit(of ids: [String]) async {
        let now = Int64(world.elapsed * 1_000_000)
        let next = ids.compactMap { id in world.history.commits[id]?.first { $0.microseconds > now }?.microseconds }.min()
        guard let next, next % 1000 > 1, next - now < 20_000_000 else { return }
        world.count(.readJustBeforeCommit)
        try? await world.executor.sleep(.microseconds(next - 1 - now))
    }

    private func pause() async throws(BookingSourceError) {
        try? await world.executor.sleep(.milliseconds(world.executor.number(2...60)))
        guard instance.isAlive else { throw BookingSourceError("the instance died") }
    }
}
