import Synchronization
import Support
import Zendesk

/// Finds the tickets of bookings with as few searches as possible: one for many bookings if the
/// search proves itself (``Witness``), otherwise one for each.
struct TicketFinder: Sendable {
    private let searches: Batcher<String, Found>

    struct Found: Sendable {
        /// Tickets that may belong to the booking. Only the exact value of the field, when it is
        /// read, tells.
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
        let search = BookingSearch(zendesk, field: field, maximum: maximum, latest: latest, time: time)
        searches = Batcher(
            .init(size: { search.bookingsPerSearch }, isAlone: isAlone),
            scope: scope,
            time: time,
            admit: { priority, canWait throws(ZendeskError) in try await zendesk.admission(priority, canWait: canWait) },
            perform: { batch in await search.find(batch) }
        )
    }

    /// - Parameter booking: an ID without special meaning in a query.
    func find(_ booking: String, priority: CallPriority, deadline: Deadline) async throws(ZendeskError) -> Found {
        try await searches.ask(booking, priority: priority, deadline: deadline)
    }

    var tally: BatchTally { searches.tally }
}

/// Makes the searches.
private final class BookingSearch: Sendable {
    private typealias Found = [(booking: String, result: Result<(tickets: [Int], latest: Int), ZendeskError>)]

    private let zendesk: ZendeskClient
    private let field: Int
    private let time: TimeSource
    private let latest: @Sendable () -> Int
    private let pool: Mutex<WitnessPool>
    private let gate = AsyncSemaphore()

    init(_ zendesk: ZendeskClient, field: Int, maximum: Int, latest: @escaping @Sendable () -> Int, time: TimeSource) {
        self.zendesk = zendesk
        self.field = field
        self.time = time
        self.latest = latest
        pool = Mutex(WitnessPool(maximum: maximum))
    }

    /// How many bookings one search may ask for now.
    var bookingsPerSearch: Int { pool.withLock { $0.limit(time.now()) } }

    func find(_ batch: Batcher<String, TicketFinder.Found>.Batch) async -> [Result<TicketFinder.Found, ZendeskError>] {
        let reservation = zendesk.reserveReading()
        let turn = Turn(call: batch.call, priority: batch.priority, deadline: batch.deadline)
        let bookings = Set(batch.requests).sorted()
        let found = Dictionary(uniqueKeysWithValues: await find(bookings, turn).map { ($0.booking, $0.result) })
        return batch.requests.map { booking in
            found[booking]!.map { .init(tickets: $0.tickets, latest: $0.latest, reservation: reservation) }
        }
    }

    /// The first call of a batch is admitted; the others wait for their turn.
    private struct Turn: Sendable {
        var call: AdmittedCall
        var priority: CallPriority
        var deadline: Deadline
    }

    /// - Parameter halves: whether to ask again in halves if the search fails as a whole.
    private func find(_ bookings: [String], _ turn: Turn, halves: Bool = true) async -> Found {
        let limit = bookingsPerSearch
        guard bookings.count > 1, limit > 1 else { return await findSingly(bookings, turn) }
        // An ID without any letter or digit would be contained in every other ID.
        let (shared, alone) = (bookings.filter { Self.canBeShared($0) }, bookings.filter { !Self.canBeShared($0) })
        guard alone.isEmpty else {
            async let single = findSingly(alone, turn)
            return await find(shared, turn) + single
        }
        guard bookings.count <= limit else {
            return await inParts(bookings, of: limit) { await self.find($0, turn) }
        }
        do throws(ZendeskError) {
            for _ in 0..<2 {
                guard let pair = try await witnesses(for: bookings, turn) else {
                    return await findInHalves(bookings, turn)
                }
                switch try await search(bookings, pair, turn) {
                case .whole(let hits):
                    return Self.assign(hits, to: bookings, besides: [pair.first.bookingID, pair.last.bookingID], latest())
                case .tooMany: return await findInHalves(bookings, turn)
                case .refused: break
                case .unproven(let missing):
                    pool.withLock { pool in
                        for witness in missing { pool.forget(witness) }
                    }
                    continue
                }
                break
            }
        } catch {
            if halves, error.mayConcernOneItem { return await findAroundOne(bookings, turn) }
            return bookings.map { ($0, .failure(error)) }
        }
        pool.withLock { $0.distrust(bookings.count, time.now()) }
        return await findInHalves(bookings, turn)
    }

    private static func canBeShared(_ booking: String) -> Bool { !Witness.core(booking).isEmpty }

    private enum Answer {
        /// All tickets of the bookings, as the index has them.
        case whole([SearchHit])
        /// There are more hits than these.
        case tooMany
        case unproven(missing: [Witness])
        /// Zendesk rejects the query, perhaps because it is too long.
        case refused
    }

    private func search(
        _ bookings: [String],
        _ pair: (first: Witness, last: Witness),
        _ turn: Turn
    ) async throws(ZendeskError) -> Answer {
        let terms = [pair.first.bookingID] + bookings + [pair.last.bookingID]
        guard let search = TicketSearch(customField: field, anyOf: terms) else { return .refused }
        let page: SearchPage
        do throws(ZendeskError) {
            page = try await zendesk.hits(
                search,
                showing: field,
                repeats: 0,
                admitted: turn.call,
                priority: turn.priority,
                deadline: turn.deadline
            )
        } catch  where error.kind == .rejected {
            return .refused
        } catch {
            throw error
        }
        guard page.isWhole else { return .tooMany }
        let missing = [pair.first, pair.last].filter { witness in !page.hits.contains { witness.isFound(in: $0) } }
        guard missing.isEmpty else { return .unproven(missing: missing) }
        pool.withLock { $0.learn(page.hits) }
        return .whole(page.hits)
    }

    /// Two witnesses for a search; nil if no two known tickets could prove it.
    private func witnesses(for bookings: [String], _ turn: Turn) async throws(ZendeskError) -> (first: Witness, last: Witness)? {
        if let pair = pool.withLock({ $0.pair(for: bookings) }) { return pair }
        // Search once for all callers.
        guard await gate.enter(before: turn.deadline) else { throw ZendeskError(.timeIsUp, "no witnesses for a search were found in time") }
        defer { gate.leave() }
        if let pair = pool.withLock({ $0.pair(for: bookings) }) { return pair }
        guard pool.withLock({ $0.wantsCandidates(time.now()) }) else { return nil }
        let page: SearchPage
        defer { pool.withLock { $0.looked(time.now()) } }
        do throws(ZendeskError) {
            page = try await zendesk.hits(
                TicketSearch(withValueIn: field),
                showing: field,
                isNewestFirst: true,
                admitted: turn.call,
                priority: turn.priority,
                deadline: turn.deadline
            )
        } catch {
            switch error.kind {
            case .limited, .cancelled, .timeIsUp: throw error
            // Without witnesses each booking gets its own search.
            default: return nil
            }
        }
        return pool.withLock { pool in
            pool.learn(page.hits)
            return pool.pair(for: bookings)
        }
    }

    /// Assigns hits to bookings. A hit belongs to the bookings whose ID its own ID contains, as
    /// search compares them. One that none of the terms explains may belong to any booking.
    private static func assign(_ hits: [SearchHit], to bookings: [String], besides others: [String], _ latest: Int) -> Found {
        let cores = (bookings + others).map { Witness.core($0) }
        let texts = hits.map { $0.text.map { Witness.core($0) } }
        let isExplained = texts.map { text in text.map { text in cores.contains { text.contains($0) } } ?? false }
        return bookings.indices.map { index in
            let own = hits.indices.filter { !isExplained[$0] || texts[$0]!.contains(cores[index]) }
            return (bookings[index], .success((own.map { hits[$0].ticket }, latest)))
        }
    }

    // MARK: Fewer at once

    /// Asks in halves, since one of the tickets spoils the search. If both halves fail, Zendesk is
    /// down.
    private func findAroundOne(_ bookings: [String], _ turn: Turn) async -> Found {
        let middle = bookings.count / 2
        let halves = [Array(bookings[..<middle]), Array(bookings[middle...])]
        let found = await concurrently(halves, width: 2) { await self.find($0, turn, halves: false) }
        let hasFailed = found.map { found in
            found.allSatisfy { if case .failure(let error) = $0.result { error.mayConcernOneItem } else { false } }
        }
        guard let index = hasFailed.firstIndex(of: true), hasFailed != [true, true], halves[index].count > 1 else {
            return found.flatMap(\.self)
        }
        return await findAroundOne(halves[index], turn) + found[1 - index]
    }

    private func findInHalves(_ bookings: [String], _ turn: Turn) async -> Found {
        await inParts(bookings, of: (bookings.count + 1) / 2) { await self.find($0, turn) }
    }

    private func findSingly(_ bookings: [String], _ turn: Turn) async -> Found {
        await inParts(bookings, of: 1) { part in
            let booking = part[0]
            do throws(ZendeskError) {
                let search = TicketSearch(customField: self.field, text: booking)!
                let tickets = try await self.zendesk.ticketIDs(
                    search,
                    admitted: turn.call,
                    priority: turn.priority,
                    deadline: turn.deadline
                )
                return [(booking, .success((tickets, self.latest())))]
            } catch {
                return [(booking, .failure(error))]
            }
        }
    }

    private func inParts(_ bookings: [String], of size: Int, _ find: @escaping @Sendable ([String]) async -> Found) async -> Found {
        let parts = (bookings.count + size - 1) / max(size, 1)
        guard parts > 0 else { return [] }
        // Of equal size, so that no search asks for two bookings while the others ask for many.
        let even = (bookings.count + parts - 1) / parts
        let slices = stride(from: 0, to: bookings.count, by: even).map { Array(bookings[$0..<min($0 + even, bookings.count)]) }
        guard slices.count > 1 else { return await find(bookings) }
        return await concurrently(slices, width: slices.count) { await find($0) }.flatMap(\.self)
    }
}
