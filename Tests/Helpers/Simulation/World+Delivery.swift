import BookingStatusSync
import FunctionRuntime
import Foundation
import Logging
import ZendeskSimulator

/// Publishes and delivers records as Pub/Sub does: at least once, in any order.
extension World {
    func publish(_ record: Int) async {
        await wait(until: history.records[record].commits[0].seconds + executor.number(0.05...2.0))
        published[record] = elapsed
        trace {
            let commits = self.history.records[record].commits.prefix(5).map {
                "\($0.bookingID) \($0.from ?? "-")->\($0.to ?? "-") \($0.kind) \($0.transaction)"
            }
            return "published record \(record): \(commits)"
        }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.deliver(record) }
            if executor.chance(0.15) {
                count(.duplicatePublication)
                let delay = executor.number(0.1...300.0)
                group.addTask {
                    await self.wait(until: self.elapsed + delay)
                    await self.deliver(record)
                }
            }
            if executor.chance(0.03) {
                group.addTask {
                    await self.wait(until: self.chaosEnds + 86_400)
                    self.count(.replayedAfterADay)
                    await self.deliver(record)
                }
            }
        }
    }

    /// Delivers a message until it is acknowledged. One that can never be processed is delivered
    /// three times.
    private func deliver(_ record: Int) async {
        var publishedAt = elapsed
        nextMessage += 1
        var messageID = "m\(nextMessage)"
        if executor.chance(0.3) { await wait(until: elapsed + executor.number(0.0...240.0)) }
        var attempt = 0
        var deliveries = 0
        // An instance does not search again for settled changes. Tickets that the first delivery
        // could find are due.
        let due = dueTickets[record] ?? (elapsed, checker.dueTickets(of: record))
        dueTickets[record] = due
        while true {
            attempt += 1
            deliveries += 1
            guard deliveries < 400 else {
                checker.violation("record \(record) is not done after 400 deliveries")
                return
            }
            if deliveries > 1 { count(.redelivered) }
            let isAcknowledged = await isAcknowledged(record, messageID, publishedAt, attempt)
            lastDelivery[record] = elapsed
            if history.records[record].isAmbiguous {
                if isAcknowledged { checker.violation("a record with two rows of one booking was acknowledged") }
                if deliveries == 3 { return }
            } else if isAcknowledged {
                acknowledged[record] = min(acknowledged[record] ?? .infinity, elapsed)
                checker.acknowledged(record, due.tickets, since: due.from)
                guard isChaos, executor.chance(0.05) else { return }
                count(.duplicateDelivery)
                await wait(until: elapsed + executor.number(0.1...600.0))
                continue
            }
            if let bad = badTicket, bad.isHopeless, elapsed > chaosEnds + 40_000, touchesBad(record) {
                // What one ticket answers concerns that ticket alone.
                acknowledged[record] = min(acknowledged[record] ?? .infinity, elapsed)
                let others = due.tickets.mapValues { $0.subtracting([bad.id]) }
                checker.acknowledged(record, others.filter { !$0.value.isEmpty }, since: due.from) { self.concernsBad($0) }
                return
            }
            if hasDeadLetters, attempt >= maximumAttempts {
                count(.deadLettered)
                await wait(until: max(elapsed, chaosEnds) + executor.number(1.0...3600.0))
                attempt = 0
                publishedAt = elapsed
                nextMessage += 1
                messageID = "m\(nextMessage)"
            } else {
                let backoff = min(600, 10 * Double(1 << min(attempt - 1, 6)))
                await wait(until: elapsed + backoff * executor.number(0.8...1.2))
            }
        }
    }

    private func touchesBad(_ record: Int) -> Bool { history.records[record].commits.contains { concernsBad($0.bookingID) } }

    /// Whether a search for the booking may show the bad ticket. What cannot be read may be its own.
    private func concernsBad(_ bookingID: String) -> Bool {
        guard let bad = badTicket else { return false }
        let names = [bad.bookingID, account.tickets[bad.id]?.text(of: Self.bookingField)].compactMap(\.self)
        return names.contains { !Witness.isApart($0, bookingID) }
    }

    private func isAcknowledged(_ record: Int, _ messageID: String, _ publishedAt: Double, _ attempt: Int) async -> Bool {
        while let senders, sending >= senders { await wait(until: elapsed + 0.2) }
        sending += 1
        defer { sending -= 1 }
        let index = executor.number(0...(instances.count - 1))
        let instance = instances[index]
        instance.given += history.records[record].commits.count
        let bookings = history.records[record].commits.map(\.bookingID)
        for booking in bookings {
            if inFlight[booking, default: 0] > 0 { count(.inFlightTogether) }
            inFlight[booking, default: 0] += 1
            if delivered[booking, default: -1] > record { count(.reordered) }
            delivered[booking] = max(record, delivered[booking, default: -1])
        }
        defer { for booking in bookings { inFlight[booking]! -= 1 } }
        let end = executor.now + .seconds(30)
        let message = PubSubMessage(
            id: messageID,
            data: Data(json(record, publishedAt).utf8),
            publishTime: Date(timeIntervalSince1970: History.start + publishedAt),
            deliveryAttempt: hasDeadLetters ? attempt : nil
        )
        let context = FunctionContext(eventID: messageID, executionID: messageID, logger: logger(of: record)) { [executor] in
            end - executor.now
        }
        trace { "delivery \(attempt) of record \(record) as \(messageID) to \(instance.name)" }
        let begin = now
        let isDone = await handle(message, context, instance)
        if !isDone { checker.gaveUp(instance, since: begin) }
        guard instance.isAlive else {
            // The answer of a dead instance is lost.
            if instances[index] === instance { instances[index] = newInstance() }
            return false
        }
        if !instance.handler.isAlive { checker.violation("\(instance.name) counts as one that hangs") }
        return isDone
    }

    /// - Returns: whether the handler succeeded while its caller was still waiting.
    func handle(_ message: PubSubMessage, _ context: FunctionContext, _ instance: Instance) async -> Bool {
        let patience: Double? = isChaos && executor.chance(0.03) ? executor.number(0.05...20.0) : nil
        return await withTaskGroup(of: Bool?.self) { group in
            group.addTask {
                do {
                    try await instance.handler.handle(message, context: context)
                    return true
                } catch {
                    self.trace { "  not acknowledged: \(error)" }
                    return false
                }
            }
            if let patience {
                group.addTask {
                    try? await self.executor.sleep(.microseconds(Int64(patience * 1_000_000)))
                    return Task.isCancelled ? false : nil
                }
            }
            defer { group.cancelAll() }
            guard let first = await group.next()! else {
                count(.cancelledHandler)
                trace { "  cancelled" }
                return false
            }
            return first
        }
    }

    private func logger(of record: Int) -> Logger {
        var logger = Logger(label: "s") { _ in
            OutcomeLog { metadata in
                if metadata["outcome"] == "parked" { self.count(.parked) }
                guard let known = metadata["outcome"].flatMap({ Outcome(rawValue: "\($0)") }) else { return }
                if known == .superseded { self.count(.superseded) }
                if "\(metadata["reason"] ?? "")".contains("budget") { self.count(.waitedForBudget) }
                let ticket = metadata["ticket"].flatMap { Int("\($0)") }
                if known.isDone, let booking = metadata["booking"] {
                    // For a mutant: only the first of a booking's tickets is reported.
                    let isSilent = self.mutant == .oneLineABooking && self.checker.hasTold("\(booking)", of: record)
                    if !isSilent { self.checker.told("\(booking)", ticket, of: record) }
                }
                self.trace {
                    "    record \(record) \(metadata["booking"] ?? "") ticket \(metadata["ticket"] ?? "-"): "
                        + "\(known.rawValue) \(metadata["reason"] ?? "")"
                }
            }
        }
        logger.logLevel = .debug
        return logger
    }

    private func json(_ record: Int, _ publishedAt: Double) -> String {
        switch mutant {
        case .ordersByPublishTime?: history.records[record].json(commitMicroseconds: Int64(publishedAt * 1_000_000))
        case .comparesAtFinerPrecision?: history.records[record].json(finer: true)
        default: history.records[record].json()
        }
    }
}
