import Support
import Zendesk

/// The result of reading each ticket, by id. A ticket that is gone has no reading.
typealias TicketReadings = [Int: Result<TicketReading?, ZendeskError>]

/// Reads tickets, with a result for each. One ticket's failure does not affect the others.
struct TicketReader: Sendable {
    private let pages: Batcher<Int, TicketReading?>

    init(_ zendesk: ZendeskClient, scope: TaskScope, isAlone: @escaping @Sendable () -> Bool, time: TimeSource) {
        let source = TicketPages(zendesk, time)
        pages = Batcher(
            .init(size: { zendesk.ticketsPerCall }, isAlone: isAlone),
            scope: scope,
            time: time,
            admit: { priority, canWait throws(ZendeskError) in try await zendesk.admission(priority, canWait: canWait) },
            perform: { await source.read($0) }
        )
    }

    func read(_ tickets: [Int], priority: CallPriority, deadline: Deadline) async -> TicketReadings {
        let replies = await pages.ask(tickets, priority: priority, deadline: deadline)
        return Dictionary(zip(tickets, replies), uniquingKeysWith: { first, _ in first })
    }

    /// - Returns: nil if the ticket is gone.
    func read(_ ticket: Int, priority: CallPriority, deadline: Deadline) async throws(ZendeskError) -> TicketReading? {
        try await pages.ask(ticket, priority: priority, deadline: deadline)
    }

    var tally: BatchTally { pages.tally }
}
