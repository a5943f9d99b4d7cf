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
            admit: zendesk.admission,
            perform: { await source.read($0.requests, $0.options) }
        )
    }

    func read(_ tickets: [Int], _ options: CallOptions) async -> TicketReadings {
        let replies = await pages.ask(tickets, options)
        return Dictionary(zip(tickets, replies), uniquingKeysWith: { first, _ in first })
    }

    /// - Returns: nil if the ticket is gone.
    func read(_ ticket: Int, _ options: CallOptions) async throws(ZendeskError) -> TicketReading? {
        try await pages.ask(ticket, options)
    }

    var tally: BatchTally { pages.tally }
}
