import Support
import Synchronization
import Zendesk

/// Tickets that a sweep found to be correct, by the time of their last update. They are skipped
/// until they are updated again.
final class SettledTickets: Sendable {
    private let stamps = Mutex<[Int: String]>([:])
    private static let maximum = 20_000

    func contains(_ reading: TicketReading) -> Bool { stamps.withLock { $0[reading.ticket.id] == reading.ticket.updatedStamp } }

    /// - Parameter now: seconds since 1970. Only a ticket that is old by both clocks is noted.
    ///   Search may not show a younger one yet, so a change of its booking may miss it.
    func note(_ reading: TicketReading, now: Double) {
        guard let stamp = RFC3339(reading.ticket.updatedStamp)?.seconds, let readAt = reading.readAt,
            min(readAt, Int64(now)) >= stamp + SweepWindow.length
        else { return }
        stamps.withLock { stamps in
            if stamps.count >= Self.maximum { stamps = [:] }
            stamps[reading.ticket.id] = reading.ticket.updatedStamp
        }
    }
}
