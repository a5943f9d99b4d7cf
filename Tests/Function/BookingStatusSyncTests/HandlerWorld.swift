import BookingStatusSync
import FunctionRuntime
import Foundation
import InMemoryLogging
import Logging
import Simulation
import Support
import TestSupport
import Testing
import Zendesk
import ZendeskSimulator

/// The handler with a simulated account, called directly: no socket, and no real waiting.
struct HandlerWorld {
    static let bookingField = 11
    static let statusField = 12
    static let versionField = 13

    let time = VirtualTime()
    let transport: SimulatorTransport
    let log = InMemoryLogHandler()
    var settings: BookingStatusSettings { didSet { handler = makeHandler() } }
    private(set) var handler: BookingStatusHandler!

    init(keepsVersions: Bool = true) {
        let statuses = ["Tentative", "Booked", "InStay", "CheckedOut"]
        let account = SimulatedZendesk(fields: [
            TicketField(id: Self.bookingField, title: "Booking ID"),
            TicketField(id: Self.statusField, title: "Status", options: statuses.map { .init(name: $0, tag: Self.tag($0)) }),
            TicketField(id: Self.versionField, title: "Version"),
        ])
        transport = SimulatorTransport(account, time.source)
        settings = BookingStatusSettings(
            bookingIDField: Self.bookingField,
            bookingStatusField: Self.statusField,
            bookingVersionField: keepsVersions ? Self.versionField : nil,
            tags: Dictionary(uniqueKeysWithValues: (statuses + ["Unconfigured in Zendesk"]).map { ($0, Self.tag($0)) })
        )
        handler = makeHandler()
    }

    /// The bookings that the sweep reads.
    let bookings = StoredBookings()

    private func makeHandler(sweeps: Bool = true) -> BookingStatusHandler {
        BookingStatusHandler(
            settings: settings,
            zendesk: ZendeskClient(transport: transport, credentials: .accessToken("t"), time: time.source),
            bookings: sweeps ? bookings : nil,
            logger: Logger(label: "test") { [log] _ in log },
            time: time.source,
            rule: { decide($0, $1, keepsVersions: $2) }
        )
    }

    /// Replaces the handler with a new instance, which remembers nothing.
    mutating func restart() { handler = makeHandler() }

    mutating func withoutDatabase() { handler = makeHandler(sweeps: false) }

    func sweep(publishedBefore age: Double = 0, remaining: Duration = .seconds(30)) async throws {
        let now = time.source.now
        let end = now() + remaining
        let published = Date(timeIntervalSince1970: time.secondsSince1970 - age)
        let message = PubSubMessage(id: "s1", data: Data(), attributes: ["task": "sweep"], publishTime: published)
        let context = FunctionContext(
            eventID: "s1",
            executionID: "e1",
            logger: Logger(label: "test") { _ in log },
            timeRemaining: { end - now() }
        )
        try await time.run { [handler] in try await handler!.whileRunning { try await handler!.handle(message, context: context) } }
    }

    func sweepAll(progress: @escaping @Sendable (SweepReport) -> Void = { _ in }) async throws -> SweepReport {
        try await time.run { [handler, time, log] in
            try await handler!.whileRunning {
                try await handler!.sweepAll(
                    from: 0,
                    deadline: Deadline(after: .seconds(86_400), time.source),
                    logger: Logger(label: "test") { _ in log },
                    progress: progress
                )
            }
        }
    }

    static func tag(_ status: String) -> String { "tag_\(status)" }

    func open(_ id: Int, booking: String, status: String? = nil, isClosed: Bool = false) {
        transport.withAccount { account, now in
            var fields: [Int: JSON] = [Self.bookingField: .string(booking)]
            if let status { fields[Self.statusField] = .string(Self.tag(status)) }
            account.put(
                SimulatedTicket(
                    id: id,
                    subject: "Ticket \(id)",
                    status: isClosed ? "closed" : "open",
                    createdAt: now - 3600,
                    customFields: fields
                ),
                now: now
            )
        }
    }

    /// Ages a ticket: it was opened, and last updated, so many seconds ago. That cannot be before
    /// its first opening.
    func age(_ id: Int, by seconds: Double) {
        transport.withAccount { account, now in
            guard var ticket = account.tickets[id] else { return }
            (ticket.createdAt, ticket.updatedAt) = (now - seconds, now - seconds)
            account.put(ticket, now: now)
        }
    }

    func setByHand(_ id: Int, _ status: String) {
        transport.withAccount { account, now in
            account.edit(id, now: now) { $0.customFields[Self.statusField] = .string(Self.tag(status)) }
        }
    }

    func status(_ id: Int) -> String? {
        transport.withAccount { account, _ in account.tickets[id]?.text(of: Self.statusField).map { String($0.dropFirst(4)) } }
    }

    func kept(_ id: Int) -> String? {
        transport.withAccount { account, _ in account.tickets[id]?.text(of: Self.versionField) }
    }

    /// Delivers a booking's change, committed `seconds` after a fixed moment.
    func deliver(
        _ booking: String,
        from: String?,
        to: String?,
        at seconds: Int64,
        publishedBefore age: Double = 1,
        attempt: Int? = nil,
        remaining: Duration = .seconds(30)
    ) async throws {
        func side(_ status: String?) -> String { status.map { #"{\"Status\":\"\#($0)\"}"# } ?? "{}" }
        let modType = from == nil ? "INSERT" : to == nil ? "DELETE" : "UPDATE"
        let json = """
            {"commitTimestamp":{"seconds":\(1_795_464_800 + seconds),"nanos":0},"serverTransactionId":"t\(seconds)",
            "recordSequence":"00000000","tableName":"Bookings","modType":"\(modType)",
            "mods":[{"keysJson":"{\\"ID\\":\\"\(booking)\\"}","oldValuesJson":"\(side(from))","newValuesJson":"\(side(to))"}]}
            """
        try await deliver(json, publishedBefore: age, attempt: attempt, remaining: remaining)
    }

    func deliver(_ json: String, publishedBefore age: Double = 1, attempt: Int? = nil, remaining: Duration = .seconds(30)) async throws {
        try await deliver(data: Data(json.utf8), publishedBefore: age, attempt: attempt, remaining: remaining)
    }

    /// Delivers a message for a new ticket.
    func deliver(ticket: String, publishedBefore age: Double = 1, attempt: Int? = nil) async throws {
        try await deliver(attributes: ["task": "ticket", "ticket": ticket], publishedBefore: age, attempt: attempt)
    }

    private func deliver(
        data: Data = Data(),
        attributes: [String: String] = [:],
        publishedBefore age: Double,
        attempt: Int?,
        remaining: Duration = .seconds(30)
    ) async throws {
        let now = time.source.now
        let end = now() + remaining
        let message = PubSubMessage(
            id: "m1",
            data: data,
            attributes: attributes,
            publishTime: Date(timeIntervalSince1970: time.secondsSince1970 - age),
            deliveryAttempt: attempt
        )
        let context = FunctionContext(
            eventID: "m1",
            executionID: "e1",
            logger: Logger(label: "test") { _ in log },
            timeRemaining: { end - now() }
        )
        try await time.run { [handler] in try await handler!.whileRunning { try await handler!.handle(message, context: context) } }
    }

    /// The logged outcomes, with their tickets.
    var outcomes: [String] {
        log.entries.map { entry in
            [entry.metadata["ticket"], entry.metadata["outcome"]].compactMap { $0.map { "\($0)" } }.joined(separator: " ")
        }
    }
}

/// Time that passes only while nothing else can happen.
final class VirtualTime: @unchecked Sendable {
    private let executor = SeededExecutor(seed: 1)
    private let start = 1_795_464_900.0
    private var isRunning = false

    var secondsSince1970: Double { start + executor.now / .seconds(1) }
    var now: Duration { executor.now }

    func advance(_ duration: Duration) { executor.advance(duration) }

    var source: TimeSource {
        TimeSource(
            now: { self.executor.now },
            secondsSince1970: { self.secondsSince1970 },
            sleep: { try await self.executor.sleep($0) },
            random: { 0.5 }
        )
    }

    /// Waits for something that happens within a minute.
    func wait(for condition: @Sendable () -> Bool) async throws {
        for _ in 0..<60_000 where !condition() { try await executor.sleep(.milliseconds(1)) }
        try #require(condition())
    }

    /// Runs the body, and everything it starts, in this time.
    func run<Result: Sendable>(_ body: @escaping @Sendable () async throws -> Result) async throws -> Result {
        guard !isRunning else { return try await body() }
        isRunning = true
        defer { isRunning = false }
        let result = Locked<Swift.Result<Result, any Error>?>(nil)
        executor.run {
            do {
                let value = try await body()
                result.withLock { $0 = .success(value) }
            } catch {
                result.withLock { $0 = .failure(error) }
            }
        }
        return try result.value!.get()
    }
}
