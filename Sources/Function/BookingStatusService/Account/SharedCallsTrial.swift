import BookingStatusSync
import FoundationEssentials
import Support
import Zendesk

/// Tests whether changes can share calls on an account: a search for several bookings, and updates
/// in a job that honor stamps. It writes the version field of two tickets, and restores it
/// afterwards.
struct SharedCallsTrial: Sendable {
    private let zendesk: ZendeskClient
    private let settings: CheckedSettings
    private let tickets: (stale: Int, own: Int)
    private let deadline: Deadline
    private let time: TimeSource

    static let marker = "booking-status-function check: this is put back in a moment"

    init(
        _ zendesk: ZendeskClient,
        _ settings: CheckedSettings,
        tickets: (Int, Int),
        deadline: Deadline,
        time: TimeSource = .system
    ) {
        self.zendesk = zendesk
        self.settings = settings
        self.tickets = (tickets.0, tickets.1)
        self.deadline = deadline
        self.time = time
    }

    /// The planned writes, for a person to approve.
    var plan: [String] {
        [
            "set the booking version of ticket \(tickets.own) to \"\(Self.marker)\", in a job",
            "ask the same for ticket \(tickets.stale) with an outdated stamp, which Zendesk must refuse",
            "restore the former booking version of both",
        ]
    }

    /// Runs the trial.
    func findings() async -> [Finding] {
        do throws(ZendeskError) {
            let readings = try await zendesk.tickets([tickets.stale, tickets.own], .before(deadline))
            guard let stale = reading(tickets.stale, readings), let own = reading(tickets.own, readings), stale.isApart(from: own) else {
                return [
                    .problem(
                        "tickets \(tickets.stale) and \(tickets.own) are not suitable for the trial",
                        "Name two unsolved tickets of two bookings, neither of whose IDs is contained in the other."
                    )
                ]
            }
            return [try await trySearch(stale, own), try await tryJob(stale, own)]
        } catch {
            return [
                .problem("the trial of shared calls was not completed: \(error)", "See above, and look at both tickets' booking version.")
            ]
        }
    }

    /// A ticket that can be written.
    private struct Subject {
        var ticket: Ticket
        var bookingID: String

        func isApart(from other: Subject) -> Bool { Witness.isApart(bookingID, other.bookingID) }
    }

    private func reading(_ id: Int, _ readings: [TicketReading]) -> Subject? {
        guard let ticket = readings.first(where: { $0.ticket.id == id })?.ticket, !ticket.isClosed, ticket.status != "solved",
            let bookingID = ticket.text(of: settings.bookingStatus.bookingIDField)
        else { return nil }
        return Subject(ticket: ticket, bookingID: bookingID)
    }

    private func trySearch(_ first: Subject, _ last: Subject) async throws(ZendeskError) -> Finding {
        let field = settings.bookingStatus.bookingIDField
        guard let search = TicketSearch(customField: field, anyOf: [first.bookingID, last.bookingID]) else {
            return .problem("a booking ID has a quote or a backslash in it", "No search can find such a ticket.")
        }
        let page = try await zendesk.hits(search, showing: field, .before(deadline))
        let found = [first, last].filter { subject in
            page.hits.contains { Witness(ticket: subject.ticket.id, bookingID: subject.bookingID).isFound(in: $0) }
        }
        guard found.count == 2 else {
            return .warning(
                "a search for two bookings finds \(found.count) of their tickets",
                "Each change will cost a search of its own: at most \(settings.readsPerMinute / 3) changes a minute. "
                    + "A ticket that was opened or "
                    + "changed within the last minutes is not in the index yet: try again later."
            )
        }
        return .good("a search for several bookings finds the tickets of each: up to 23 changes share one")
    }

    private func tryJob(_ stale: Subject, _ own: Subject) async throws(ZendeskError) -> Finding {
        guard let field = settings.bookingStatus.bookingVersionField else {
            return .warning("jobs were not tried: ZENDESK_BOOKING_VERSION_FIELD is not set", "There is no field to try them on.")
        }
        guard let stamp = RFC3339(stale.ticket.updatedStamp) else {
            return .problem("the updated_at of ticket \(stale.ticket.id) cannot be read", "Name another ticket.")
        }
        let outdated = RFC3339(seconds: stamp.seconds - 3600).description
        let job: JobStatus
        do throws(ZendeskError) {
            job = try await zendesk.begin(
                [(stale.ticket.id, mark(field, outdated)), (own.ticket.id, mark(field, own.ticket.updatedStamp))],
                .before(deadline)
            )
        } catch  where error.kind == .tooManyJobs {
            return .warning("jobs were not tried: \(error)", "Another integration has many of them; try again later.")
        } catch {
            throw error
        }
        let isOver = try await wait(for: job)
        // Both are restored, even if the first attempt fails.
        let written = [await tryToPutBack(stale.ticket, field), await tryToPutBack(own.ticket, field)]
        let (staleIsWritten, ownIsWritten) = (try written[0].get(), try written[1].get())
        switch (staleIsWritten, ownIsWritten) {
        case (false, true):
            return .good("jobs honor stamps: beyond \(settings.writesPerMinute / 2) updates a minute a hundred tickets share a call")
        case (true, _):
            return .warning(
                "jobs ignore stamps: what a person changes meanwhile would be overwritten, so none are used",
                "Each ticket will cost an update of its own: at most \(settings.writesPerMinute) a minute."
            )
        case (false, false):
            return .warning(
                isOver ? "a job did not update ticket \(own.ticket.id)" : "a job was not over within a minute",
                "Until one is, each ticket costs an update of its own: at most \(settings.writesPerMinute) a minute. "
                    + "Look at the booking version of "
                    + "both tickets later: a job may be late."
            )
        }
    }

    private func mark(_ field: Int, _ stamp: String) -> TicketUpdate {
        TicketUpdate(customFields: [field: Self.marker], updatedStamp: stamp, metadata: ["source": "booking-status-sync", "task": "check"])
    }

    private func wait(for job: JobStatus) async throws(ZendeskError) -> Bool {
        for _ in 0..<60 {
            try await time.pause(.seconds(1))
            // A job with an unreadable status is not over. The tickets show the result.
            let statuses = try? await zendesk.jobs([job.id], .before(deadline))
            if statuses?.first?.isOver == true { return true }
        }
        return false
    }

    private func tryToPutBack(_ before: Ticket, _ field: Int) async -> Result<Bool, ZendeskError> {
        do throws(ZendeskError) {
            return .success(try await putBack(before, field))
        } catch {
            let former = before.text(of: field) ?? "empty"
            return .failure(
                ZendeskError(error.kind, "the booking version of ticket \(before.id), which was \(former), may not be back: \(error)")
            )
        }
    }

    /// Restores the version field if the job wrote it.
    ///
    /// - Returns: whether the job had written it.
    private func putBack(_ before: Ticket, _ field: Int) async throws(ZendeskError) -> Bool {
        for attempt in 0..<5 {
            // A stamp from the second of the write does not protect a person's edit in that second.
            if attempt > 0 { try await time.pause(.seconds(2)) }
            let now = try await zendesk.ticket(before.id, .before(deadline)).ticket
            guard now.text(of: field) == Self.marker else { return attempt > 0 }
            let update = TicketUpdate(
                customFields: [field: before.text(of: field)],
                updatedStamp: now.updatedStamp,
                metadata: ["source": "booking-status-sync", "task": "check"]
            )
            do throws(ZendeskError) {
                _ = try await zendesk.update(before.id, update, .before(deadline))
                return true
            } catch  where error.kind == .conflict {
                continue
            } catch {
                throw error
            }
        }
        throw ZendeskError(.conflict, "the ticket changes again and again")
    }
}
