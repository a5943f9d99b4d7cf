import Support
import Zendesk

extension Sweep {
    /// Maximum tickets per pass that have failed before.
    private static let maximumFailing = 500

    /// Sweeps the unsolved tickets that were updated within the window, latest first. It reads the
    /// database's own list, because search shows a new ticket only minutes later. It continues
    /// where the previous pass stopped.
    ///
    /// - Throws: ``SweepFailure`` if the sweep cannot continue.
    func runRecent(_ window: inout SweepWindow, _ caller: Caller) async throws(SweepFailure) -> SweepReport {
        var report = SweepReport()
        let due = failing.due(time.now(), maximum: Self.maximumFailing)
        if !due.isEmpty {
            let readings = try await read(due, caller, caller.page(time), &report)
            let (open, over) = (readings.filter(isOpen), readings.filter { !isOpen($0) })
            for reading in over { failing.forget(reading.ticket.id) }
            if !report.isStopped { try await settle(open, caller, &report) }
        }
        for _ in 0..<maximumPages where !report.isStopped {
            let page: TicketPage
            let options = caller.page(time)
            do throws(ZendeskError) {
                page = try await zendesk.ticketsByUpdate(after: window.cursor, options)
                window.saw(page)
                // A hidden field would make every ticket look as if it named no booking.
                _ = try await zendesk.field(settings.bookingIDField, accepts: nil, options)
            } catch {
                // Zendesk no longer accepts the cursor.
                if error.kind == .rejected, window.cursor != nil {
                    window.startOver()
                    continue
                }
                guard caller.stops(at: error) else { throw SweepFailure(error) }
                return report.stopped(by: error)
            }
            let open = try await unsettled(page, from: window.start, caller, options, &report)
            if !open.isEmpty { try await settle(open, caller, &report) }
            if report.isStopped { return report }
            guard let next = page.next, !isBehind(page, window.start) else {
                window.finish()
                return report
            }
            window.cursor = next
        }
        return report
    }

    private func isOpen(_ reading: TicketReading) -> Bool {
        !reading.ticket.isSolved && reading.ticket.text(of: settings.bookingIDField) != nil
    }

    private func settle(_ readings: [TicketReading], _ caller: Caller, _ report: inout SweepReport) async throws(SweepFailure) {
        do throws(ZendeskError) {
            try await zendesk.expectFields(settings, caller.page(time))
        } catch {
            guard caller.stops(at: error) else { throw SweepFailure(error) }
            report = report.stopped(by: error)
            return
        }
        try await settleNamed(readings, caller, &report)
    }

    /// The tickets of a page, without those known to be correct or to fail.
    private func unsettled(
        _ page: TicketPage,
        from start: Int64,
        _ caller: Caller,
        _ options: CallOptions,
        _ report: inout SweepReport
    ) async throws(SweepFailure) -> [TicketReading] {
        let recent = page.readings.filter { reading in
            !reading.ticket.isSolved && updatedAt(reading) >= start && !settled.contains(reading)
                && !failing.isPutOff(reading.ticket.id, time.now())
        }
        let bare = recent.filter { page.withoutFields.contains($0.ticket.id) }.map(\.ticket.id)
        let read = try await read(bare, caller, options, &report)
        return recent.filter { !page.withoutFields.contains($0.ticket.id) } + read.filter { !$0.ticket.isSolved }
    }

    private func updatedAt(_ reading: TicketReading) -> Int64 { RFC3339(reading.ticket.updatedStamp)?.seconds ?? .max }

    /// Whether all tickets after this page were updated before the time. False if the page is not
    /// sorted.
    private func isBehind(_ page: TicketPage, _ start: Int64) -> Bool {
        let times = page.readings.map(updatedAt)
        return zip(times, times.dropFirst()).allSatisfy { $0 >= $1 } && times.last.map { $0 < start } ?? true
    }
}

extension Ticket {
    fileprivate var isSolved: Bool { isClosed || status == "solved" }
}
