import Support
import Zendesk

/// Finds the tickets of bookings with as few searches as possible: one for many bookings if the
/// search proves itself (``Witness``), otherwise one for each. A booking without a hit has no ticket
/// only once the index has proven to be complete (``SearchIndex``).
struct TicketFinder: Sendable {
    private let searches: Batcher<String, Found>

    struct Found: Sendable {
        /// Tickets that may belong to the booking. Only the field's exact value, once it is read,
        /// decides.
        var tickets: [Int]
        /// The number of the last change that had arrived when the search was answered.
        var latest: Int
        /// Kept while the booking's tickets may have to be read.
        var reservation: Reservation
    }

    /// - Parameters:
    ///   - maximum: bookings in one search, besides the witnesses.
    ///   - latest: the number of the last change that has arrived.
    init(
        _ zendesk: ZendeskClient,
        field: Int,
        maximum: Int,
        scope: TaskScope,
        isAlone: @escaping @Sendable () -> Bool,
        latest: @escaping @Sendable () -> Int,
        time: TimeSource
    ) {
        let index = SearchIndex(zendesk, field: field, maximum: maximum, time: time)
        let controls = Batcher<Void, Void>(
            .init(size: { 1000 }, isAlone: isAlone, width: { 1 }),
            scope: scope,
            time: time,
            admit: zendesk.admission,
            perform: { batch in
                let result: Result<Void, ZendeskError>
                do throws(ZendeskError) {
                    try await index.prove(batch.options)
                    result = .success(())
                } catch {
                    result = .failure(error)
                }
                return batch.requests.map { result }
            }
        )
        let search = BookingSearch(index, controls: controls, latest: latest)
        searches = Batcher(
            .init(size: { index.withPool { $0.limit($1) } }, isAlone: isAlone),
            scope: scope,
            time: time,
            admit: zendesk.admission,
            perform: { batch in await search.find(batch) }
        )
    }

    /// - Parameter booking: an ID without special meaning in a query.
    func find(_ booking: String, _ options: CallOptions) async throws(ZendeskError) -> Found {
        try await searches.ask(booking, options)
    }

    var tally: BatchTally { searches.tally }
}
