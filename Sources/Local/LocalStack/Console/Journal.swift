import BookingStatusSync
package import FoundationEssentials
import Logging
import SpannerChangeStreams
import Synchronization
import ZendeskSimulator

/// Records the steps of each message, as seen by the publisher, the push tap, the function's log
/// and Zendesk.
///
/// It holds observations only: a step that was not observed is missing.
package final class Journal: Sendable {
    private let state = Mutex(State())

    /// Older messages than these are forgotten, except in ``Observations/latencies``.
    private static let maximumEntries = 1000
    private static let maximumLatencies = 100_000

    private struct State {
        var entries: [String: Entry] = [:]
        /// Message ids in the order in which they were first seen.
        var order: [String] = []
        var notes: [Note] = []
        var latencies: [Double] = []
    }

    package init() {}

    package struct Entry: Sendable {
        package var messageID: String
        /// The change record, as it was published.
        package var record = Data()
        package var changes: [Change] = []
        package var committedAt: Double?
        package var publishedAt: Double?
        /// Whether the message requests a sweep. Then it has no record.
        package var isSweep = false
        /// The new ticket that the message names. Then it has no record.
        package var ticket: Int?
        package var openedAt: Double?
        /// Whether the pipeline had published the same record before.
        package var isCopy = false
        /// It was a dead letter, and its record has been published again.
        package var isReplayed = false
        package var deliveries: [Delivery] = []
        package var outcomes: [Outcome] = []
        package var writes: [Write] = []

        /// Whether the message bypassed the broker, as one from `bookingstatus invoke` does.
        package var isDirect: Bool { publishedAt == nil && deliveries.isEmpty }

        /// Whether an answer has acknowledged the message.
        package var isAcknowledged: Bool {
            deliveries.contains { $0.answer?.status.map { (200..<300).contains($0) } == true }
        }
    }

    package struct Change: Equatable, Sendable {
        package var bookingID: String
        package var from: String?
        package var to: String?
    }

    package struct Delivery: Sendable {
        package var startedAt: Double
        package var attempt: Int
        /// The request as it was posted.
        package var head: String
        package var body: Data
        /// Nil until there is an answer.
        package var answer: Answer?

        package struct Answer: Sendable {
            package var at: Double
            /// Nil if the function could not be reached.
            package var status: Int?
            package var body: String
        }
    }

    /// A log line of the function about a change and a ticket.
    package struct Outcome: Sendable {
        package var at: Double
        package var ticket: String?
        package var outcome: String
        package var reason: String?
    }

    /// An update that names the message, from Zendesk's audits.
    package struct Write: Sendable {
        package var at: Double
        package var ticket: Int
        /// The status field's value after the update; nil if it was emptied.
        package var tag: String?
    }

    package struct Note: Equatable, Sendable {
        package var at: Double
        package var text: String
    }

    package struct Observations: Sendable {
        /// Newest first.
        package var entries: [Entry]
        package var notes: [Note]
        /// Milliseconds from each commit to its first ticket, in the order in which they were
        /// written.
        package var latencies: [Double]
    }

    /// - Parameter limit: how many entries to give at most.
    package func observations(limit: Int = maximumEntries) -> Observations {
        state.withLock { state in
            Observations(
                entries: state.order.suffix(limit).reversed().compactMap { state.entries[$0] },
                notes: state.notes,
                latencies: state.latencies
            )
        }
    }

    /// Whether every message that was published or delivered has been acknowledged.
    var isQuiet: Bool { state.withLock { $0.entries.values.allSatisfy { $0.isAcknowledged || $0.isDirect } } }

    package func entry(_ messageID: String) -> Entry? { state.withLock { $0.entries[messageID] } }

    /// Records a note that belongs to no message.
    package func note(_ text: String) {
        let now = Self.now
        state.withLock { state in
            guard state.notes.last?.text != text else { return }
            state.notes = (state.notes + [Note(at: now, text: text)]).suffix(20)
        }
    }

    private static var now: Double { Date().timeIntervalSince1970 }

    private func update(_ messageID: String, _ change: (inout Entry) -> Void) {
        state.withLock { state in
            if state.entries[messageID] == nil {
                state.order.append(messageID)
                if state.order.count > Self.maximumEntries { state.entries[state.order.removeFirst()] = nil }
            }
            change(&state.entries[messageID, default: Entry(messageID: messageID)])
        }
    }
}

extension Journal {
    func published(_ messageID: String, _ record: ChangeRecord, _ data: Data, isCopy: Bool) {
        let now = Self.now
        update(messageID) { entry in
            entry.read(data)
            entry.committedAt = record.committedAt
            entry.publishedAt = now
            entry.isCopy = isCopy
        }
    }

    /// Records a message for a new ticket.
    func published(_ messageID: String, ticket: Int?, openedAt: Double?) {
        let now = Self.now
        update(messageID) { entry in (entry.ticket, entry.openedAt, entry.publishedAt) = (ticket, openedAt, now) }
    }

    /// - Returns: which delivery of the message it is, for ``answered(_:_:status:body:)``.
    func delivered(_ messageID: String, attempt: Int?, data: Data, isSweep: Bool, head: String, body: Data) -> Int {
        let now = Self.now
        var index = 0
        update(messageID) { entry in
            if entry.record.isEmpty { entry.read(data) }
            entry.isSweep = isSweep
            index = entry.deliveries.count
            entry.deliveries.append(Delivery(startedAt: now, attempt: attempt ?? index + 1, head: head, body: body))
        }
        return index
    }

    func answered(_ messageID: String, _ delivery: Int, status: Int?, body: String) {
        let now = Self.now
        update(messageID) { entry in
            guard entry.deliveries.indices.contains(delivery) else { return }
            entry.deliveries[delivery].answer = .init(at: now, status: status, body: body)
        }
    }

    /// Records that dead letters with these records are published again.
    func replayed(_ records: Set<Data>) {
        state.withLock { state in
            for (id, entry) in state.entries where !entry.isAcknowledged && records.contains(entry.record) {
                state.entries[id]!.isReplayed = true
            }
        }
    }

    func logged(_ messageID: String, ticket: String?, outcome: String, reason: String?) {
        let now = Self.now
        update(messageID) { $0.outcomes.append(Outcome(at: now, ticket: ticket, outcome: outcome, reason: reason)) }
    }

    /// Records an update of a ticket if it names a known message.
    func audited(_ ticket: Int, _ audit: SimulatedTicket.Audit) {
        let field = String(LocalAccount.bookingStatusField)
        guard let messageID = audit.metadata["event"]?.string, let change = audit.changes.last(where: { $0.field == field }) else { return }
        state.withLock { state in
            guard var entry = state.entries[messageID] else { return }
            if entry.writes.isEmpty, let committedAt = entry.committedAt {
                state.latencies = (state.latencies + [(audit.at - committedAt) * 1000]).suffix(Self.maximumLatencies)
            }
            entry.writes.append(Write(at: audit.at, ticket: ticket, tag: change.to.string))
            state.entries[messageID] = entry
        }
    }
}

extension Journal.Entry {
    fileprivate mutating func read(_ data: Data) {
        record = data
        guard let record = try? DataChangeRecord(json: data) else { return }
        committedAt = committedAt ?? record.commitTimestamp?.secondsSince1970
        let cause = { ChangeCause(version: $0, isFresh: false, eventID: "", logger: Logger(label: "journal")) }
        let changes = (try? BookingChange.changes(in: record, LocalAccount.settings, cause: cause))?.changes ?? []
        self.changes = changes.map { change in
            var from: String?
            if case .status(let status) = change.from { from = status.name }
            return Journal.Change(bookingID: change.bookingID, from: from, to: change.to?.name)
        }
    }
}
