import Support
import Zendesk

/// Reads new tickets, and then their bookings, many with one call each.
struct NewTickets: Sendable {
    private let tickets: Batcher<Int, Arrival>

    /// A new ticket.
    struct Arrival: Sendable {
        /// Nil if the ticket cannot be found: it was deleted, or is too new to be read.
        var reading: TicketReading?
        /// The booking that it names, among others.
        let bookings: Result<BookingReading, SweepFailure>
    }

    init(
        _ zendesk: ZendeskClient,
        _ settings: BookingStatusSettings,
        _ source: any BookingSource,
        _ scope: TaskScope,
        isAlone: @escaping @Sendable () -> Bool,
        _ time: TimeSource
    ) {
        let pages = TicketPages(zendesk, time)
        tickets = Batcher(
            .init(size: { zendesk.ticketsPerCall }, isAlone: isAlone),
            scope: scope,
            time: time,
            admit: zendesk.admission
        ) { batch in
            let replies = await pages.read(batch.requests, batch.options)
            do throws(ZendeskError) {
                // A hidden field would make every ticket look as if it named no booking.
                try await zendesk.expectFields(settings, CallOptions(batch.options.priority, before: batch.options.deadline))
            } catch {
                return replies.map { _ in .failure(error) }
            }
            let bookings = await read(
                replies.compactMap { try? $0.get()?.ticket.text(of: settings.bookingIDField) },
                batch.options.deadline
            )
            return replies.map { $0.map { Arrival(reading: $0, bookings: bookings) } }
        }
        @Sendable func read(_ ids: [String], _ deadline: Deadline) async -> Result<BookingReading, SweepFailure> {
            // Most tickets may name no booking.
            guard !ids.isEmpty else { return .failure(SweepFailure(BookingSourceError("no ticket names a booking"))) }
            do throws(BookingSourceError) {
                return .success(try await source.read(Set(ids).sorted(), deadline: deadline))
            } catch {
                return .failure(SweepFailure(error))
            }
        }
    }

    func read(_ ticket: Int, _ options: CallOptions) async throws(ZendeskError) -> Arrival { try await tickets.ask(ticket, options) }
}
