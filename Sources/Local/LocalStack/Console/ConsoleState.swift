import FoundationEssentials
import SpannerChangeStreams
import ZendeskSimulator

/// The console's state, as JSON for its page.
enum ConsoleState {
    /// The effects of the fault switches.
    static let slowness = Duration.milliseconds(800)
    static let searchLag = 5.0...15.0
    static let chance = 0.3

    /// Maximum rows and events on the page, the latest ones. The page says how many there are.
    private static let maximumRows = 500
    private static let maximumEvents = 60

    /// - Parameter booking: shows the events of this booking only.
    static func json(of stack: LocalSystem, booking: String?) async throws -> JSON {
        let observations = stack.journal.observations()
        let deadLetters = (try? await stack.broker.deadLetters()) ?? []
        let statuses: [String: String]
        var notes = observations.notes
        do {
            statuses = try await stack.bookings.statuses()
        } catch {
            statuses = [:]
            notes.append(.init(at: Date().timeIntervalSince1970, text: "the bookings cannot be read: \(error)"))
        }
        let (view, faults, lag, usage) = stack.zendesk.withAccount { account, now in
            (AgentsView(account), account.faults, account.searchLag, account.usage(now: now))
        }
        let dead = Set(deadLetters.map { $0.data.isEmpty ? Data($0.messageID.utf8) : $0.data })
        var changedAt: [String: Double] = [:]
        for entry in observations.entries {
            for change in entry.changes { changedAt[change.bookingID] = max(changedAt[change.bookingID] ?? 0, entry.committedAt ?? 0) }
        }
        let latestBookings = latest(statuses.map { $0 }) { changedAt[$0.key] ?? 0 }.sorted { $0.key < $1.key }
        let latestTickets = latest(view.rows) { $0.changedAt ?? 0 }
        let entries = observations.entries.filter { entry in
            // A sweep that wrote nothing is not worth showing.
            if entry.isSweep { return booking == nil && !entry.writes.isEmpty }
            if let ticket = entry.ticket { return booking == nil || view.rows.contains { $0.ticket == ticket && $0.bookingID == booking } }
            return booking == nil || entry.changes.contains { $0.bookingID == booking }
        }
        var places = Array(repeating: 0, count: Place.allCases.count)
        for entry in entries where !entry.isSweep { places[Place(entry, isDead: dead.contains(entry.key)).rawValue] += 1 }
        return [
            "parts": .string(stack.parts), "functionURL": .string(stack.functionURL),
            "statuses": .array(LocalAccount.statuses.map { .string($0.status) }),
            "bookings": .array(latestBookings.map { bookingJSON($0.key, $0.value, changedAt[$0.key]) }),
            "bookingCount": .int(statuses.count),
            "bookingCounts": counts(statuses.values.map { $0 }),
            "tickets": .array(latestTickets.map(ticketJSON)),
            "ticketCount": .int(view.rows.count),
            "ticketCounts": counts(view.rows.map { $0.status ?? "" }),
            "events": .array(entries.prefix(maximumEvents).map { event($0, isDead: dead.contains($0.key)) }),
            "eventCount": .int(entries.count),
            "places": .array(places.map { .int($0) }),
            "deadLetters": .array(deadLetters.map(deadLetterJSON)),
            "faults": [
                "duplicates": .bool(stack.pipeline.faults.duplicates), "reordering": .bool(stack.pipeline.faults.reordering),
                "searchLag": .bool(lag.upperBound > 0), "tooManyRequests": .bool(faults.tooManyRequests > 0),
                "conflicts": .bool(faults.conflicts > 0), "outage": .bool(faults.outage > 0), "slow": .bool(stack.zendesk.delay > .zero),
            ],
            "guestsInHouse": .int(CheckoutHour.inHouse(statuses)),
            "usage": [
                "requests": [.int(usage.requests), .int(usage.limits.requests)],
                "updates": [.int(usage.updates), .int(usage.limits.ticketUpdates)],
                "jobs": [.int(usage.jobs), .int(usage.maximumJobs)],
            ],
            "latency": Latencies(observations.latencies).json,
            "notes": .array(notes.suffix(3).map { .string($0.text) }),
        ]
    }

    /// The most recently changed rows, in their original order.
    private static func latest<Row>(_ rows: [Row], changedAt: (Row) -> Double) -> [Row] {
        let kept = rows.indices.sorted { (changedAt(rows[$0]), $1) > (changedAt(rows[$1]), $0) }.prefix(maximumRows)
        return kept.sorted().map { rows[$0] }
    }

    /// The number of rows of each status.
    private static func counts(_ statuses: [String]) -> JSON {
        let counts = Dictionary(statuses.map { ($0, 1) }, uniquingKeysWith: +)
        return .object(counts.sorted { $0.key < $1.key }.map { .init(name: $0.key, value: .int($0.value)) })
    }

    private static func bookingJSON(_ id: String, _ status: String, _ changedAt: Double?) -> JSON {
        let next =
            switch status {
            case "Tentative": ["Booked", "Cancelled"]
            case "Booked": ["InStay", "Cancelled"]
            case "InStay": ["CheckedOut"]
            default: [String]()
            }
        return [
            "id": .string(id), "status": .string(status), "next": .array(next.map { .string($0) }), "changedAt": milliseconds(changedAt),
        ]
    }

    private static func ticketJSON(_ row: AgentsView.Row) -> JSON {
        [
            "id": .int(row.ticket), "subject": .string(row.subject), "booking": JSON(row.bookingID), "status": JSON(row.status),
            "changedAt": milliseconds(row.changedAt),
        ]
    }

    private static func milliseconds(_ seconds: Double?) -> JSON { .int(Int((seconds ?? 0) * 1000)) }

    private static func deadLetterJSON(_ letter: DeadLetter) -> JSON {
        let record = try? DataChangeRecord(json: letter.data)
        let keys = record?.mods.compactMap { $0.keys["ID"]?.text } ?? []
        return ["id": .string(letter.messageID), "bookings": .array(keys.map { .string($0) }), "ticket": JSON(letter.attributes["ticket"])]
    }
}

extension ConsoleState {
    private static func event(_ entry: Journal.Entry, isDead: Bool) -> JSON {
        let changes: [JSON] = entry.changes.map { ["booking": .string($0.bookingID), "from": JSON($0.from), "to": JSON($0.to)] }
        let sorted = steps(entry).sorted { $0.at < $1.at }
        let steps: [JSON] = sorted.map { step in
            ["ms": .int(Int(((step.at - sorted[0].at) * 1000).rounded())), "text": .string(step.text)]
        }
        let isOver = entry.isAcknowledged
        let last = entry.deliveries.last?.answer
        let outcomes = entry.isAcknowledged || !entry.outcomes.isEmpty ? Set(entry.outcomes.suffix(20).map(\.outcome)).sorted() : []
        let state = isOver ? "done" : isDead ? "dead" : entry.isDirect ? "sent directly" : last == nil ? "under way" : "refused"
        let ticketTime = (entry.committedAt ?? entry.openedAt).flatMap { commit in entry.writes.first.map { ($0.at - commit) * 1000 } }
        return [
            "id": .string(entry.messageID), "changes": .array(changes), "copy": .bool(entry.isCopy), "sweep": .bool(entry.isSweep),
            "ticket": entry.ticket.map { .int($0) } ?? .null,
            "state": .string(state), "place": .int(Place(entry, isDead: isDead).rawValue),
            "outcome": .string(outcomes.joined(separator: ", ")), "deliveries": .int(entry.deliveries.count),
            "ms": ticketTime.map { .int(Int($0.rounded())) } ?? .null, "steps": .array(steps),
        ]
    }

    private static func steps(_ entry: Journal.Entry) -> [(at: Double, text: String)] {
        var steps: [(at: Double, text: String)] = []
        if let at = entry.committedAt { steps.append((at, "committed")) }
        if let at = entry.openedAt { steps.append((at, "opened")) }
        if let at = entry.publishedAt { steps.append((at, entry.isCopy ? "published once more" : "published")) }
        for delivery in entry.deliveries {
            steps.append((delivery.startedAt, "delivery \(delivery.attempt)"))
            guard let answer = delivery.answer else { continue }
            steps.append((answer.at, answer.status.map { "answered \($0)" } ?? answer.body))
        }
        for outcome in entry.outcomes {
            let ticket = outcome.ticket.map { "ticket #\($0): " } ?? ""
            steps.append((outcome.at, "\(ticket)\(outcome.outcome)\(outcome.reason.map { " (\($0))" } ?? "")"))
        }
        for write in entry.writes {
            steps.append((write.at, "ticket #\(write.ticket) shows \(LocalAccount.status(ofTag: write.tag) ?? write.tag ?? "nothing")"))
        }
        return steps
    }
}

extension Journal.Entry {
    /// What its dead letter is recognized by: the record, or the message's id if it has none.
    fileprivate var key: Data { record.isEmpty ? Data(messageID.utf8) : record }
}
