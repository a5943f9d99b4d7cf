import Synchronization

/// Tickets that could not be read or updated. The minute sweep tries each again in its next pass,
/// and then every ten minutes, whether or not it has been updated since. None of them delays a
/// pass.
final class FailingTickets: Sendable {
    /// When to try each again.
    private let tickets = Mutex<[Int: Duration]>([:])
    private static let firstPause = Duration.seconds(50)
    private static let pause = Duration.seconds(600)
    private static let maximum = 20_000

    func note(_ ticket: Int, _ now: Duration) {
        tickets.withLock { tickets in
            if tickets[ticket] != nil {
                tickets[ticket] = now + Self.pause
            } else if tickets.count < Self.maximum {
                tickets[ticket] = now + Self.firstPause
            }
        }
    }

    func contains(_ ticket: Int) -> Bool { tickets.withLock { $0[ticket] != nil } }

    func forget(_ ticket: Int) { tickets.withLock { $0[ticket] = nil } }

    /// Whether it is too early to try the ticket again.
    func isPutOff(_ ticket: Int, _ now: Duration) -> Bool { tickets.withLock { $0[ticket].map { $0 > now } ?? false } }

    /// The tickets to try now, up to a number.
    func due(_ now: Duration, maximum: Int) -> [Int] {
        tickets.withLock { tickets in
            let due = tickets.filter { $0.value <= now }.sorted { ($0.value, $0.key) < ($1.value, $1.key) }
            return Array(due.map(\.key).prefix(maximum))
        }
    }
}
