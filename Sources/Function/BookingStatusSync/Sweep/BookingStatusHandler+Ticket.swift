import FunctionRuntime
import Logging
import Support
import Zendesk

extension BookingStatusHandler {
    /// Handles a message with the attributes `task=ticket` and `ticket=ID`: a ticket that has been
    /// opened, or names another booking now. It gets its booking's status by the rules of a sweep.
    func handleTicket(_ message: PubSubMessage, _ context: FunctionContext) async throws(FunctionFailure) {
        guard let sweep else { throw .unprocessable("SPANNER_DATABASE is not set: a new ticket needs the database") }
        guard let ticket = message.attributes["ticket"].flatMap({ Int($0) }), ticket > 0 else {
            throw .unprocessable("the attribute ticket is not the id of a ticket")
        }
        let deadline = Deadline(after: context.timeRemaining - Self.timeToAnswer, time)
        let arrival: NewTickets.Arrival
        do throws(ZendeskError) {
            arrival = try await sweep.newTickets.read(ticket, .before(deadline))
        } catch {
            return try end(TicketResult(error, ticket: ticket), context)
        }
        guard let reading = arrival.reading else {
            guard isFresh(message, context, committedAt: -.infinity) else {
                return try end(TicketResult(ticket: ticket, outcome: .gone), context)
            }
            let reason = "the ticket cannot be found yet"
            return try end(TicketResult(ticket: ticket, outcome: .deferred, reason: reason, retryAfter: .seconds(1)), context)
        }
        guard let bookingID = reading.ticket.text(of: settings.bookingIDField) else {
            return try end(TicketResult(ticket: ticket, outcome: .noBookingID), context)
        }
        let caller = Sweep.Caller(
            kind: .ticket,
            id: context.eventID,
            options: CallOptions(.high, before: deadline),
            logger: context.logger
        )
        var report = SweepReport()
        do throws(SweepFailure) {
            try await sweep.settle([(bookingID, [reading])], arrival.bookings.get(), caller, &report)
        } catch {
            return try end(TicketResult(error, ticket: ticket), context)
        }
        // No line tells of these yet.
        if report.held > 0 || report.isStopped {
            let outcome: Outcome = report.held > 0 ? .unknownBooking : .deferred
            let reason = report.held > 0 ? "the booking is not in the database, nor are most others: nothing is cleared" : report.reason
            return try end(TicketResult(ticket: ticket, outcome: outcome, reason: reason, retryAfter: report.retryAfter), context)
        }
        if let failure = report.failure { throw failure }
    }

    /// Logs the result of a ticket that no change has reached.
    private func end(_ result: TicketResult, _ context: FunctionContext) throws(FunctionFailure) {
        result.log(task: "ticket", context.logger)
        if let failure = FunctionFailure([result], unbegun: nil) { throw failure }
    }
}
