import Synchronization
import Support
import Zendesk

/// Finds the tickets of bookings with as few searches as possible: one for many bookings if the
/// search proves itself (``SearchProof``), otherwise one for each.
final class TicketFinder: Sendable {
    private let zendesk: any TicketService
    private let field: Int
    private let time: TimeSource
    private let proof: SearchProof
    private let pool: Mutex<WitnessPool>
    private let gate = AsyncSemaphore()

    /// A ticket that may belong to a booking. Only the exact value of the field, when it is read,
    /// tells.
    struct Candidate: Equatable, Sendable {
        var ticket: Int
        /// Whether the search was for this booking alone, or the index shows a possible match.
        var isHit: Bool
    }

    typealias Found = [(booking: String, result: Result<[Candidate], ZendeskError>)]

    init(_ zendesk: any TicketService, field: Int, maximum: Int, proof: SearchProof, time: TimeSource) {
        self.zendesk = zendesk
        self.field = field
        self.time = time
        self.proof = proof
        pool = Mutex(WitnessPool(maximum: maximum))
    }

    /// How many bookings one search may ask for now.
    var bookingsPerSearch: Int { pool.withLock { $0.limit(time.now()) } }

    /// - Parameters:
    ///   - bookings: IDs without special meaning in a query.
    ///   - answered: called with bookings when the search that counts for them is answered.
    func find(_ bookings: [String], deadline: Deadline, answered: @escaping @Sendable ([String]) -> Void) async -> Found {
        let limit = bookingsPerSearch
        guard bookings.count > 1, limit > 1 else { return await findSingly(bookings, deadline, answered) }
        // An ID without any letter or digit would be contained in every other ID.
        let (shared, alone) = (bookings.filter { Self.canBeShared($0) }, bookings.filter { !Self.canBeShared($0) })
        guard alone.isEmpty else {
            async let single = findSingly(alone, deadline, answered)
            return await find(shared, deadline: deadline, answered: answered) + single
        }
        guard bookings.count <= limit else {
            return await inParts(bookings, of: limit) { await self.find($0, deadline: deadline, answered: answered) }
        }
        do throws(ZendeskError) {
            for _ in 0..<2 {
                guard let pair = try await witnesses(for: bookings, deadline) else {
                    return await findInHalves(bookings, deadline, answered)
                }
                switch try await search(bookings, pair, deadline) {
                case .whole(let hits):
                    answered(bookings)
                    return Self.assign(hits, to: bookings)
                case .tooMany: return await findInHalves(bookings, deadline, answered)
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
            return bookings.map { ($0, .failure(error)) }
        }
        pool.withLock { $0.distrust(bookings.count, time.now()) }
        return await findInHalves(bookings, deadline, answered)
    }

    private static func canBeShared(_ booking: String) -> Bool { !SearchProof.core(booking).isEmpty }

    private enum Answer {
        /// All tickets of the bookings, as the index has them.
        case whole([SearchHit])
        /// There are more hits than these.
        case tooMany
        case unproven(missing: [Witness])
        /// Zendesk rejects the query, perhaps because it is too long.
        case refused
    }

    private func search(_ bookings: [String], _ pair: (first: Witness, last: Witness), _ deadline: Deadline) async throws(ZendeskError)
        -> Answer
    {
        let terms = [pair.first.bookingID] + bookings + [pair.last.bookingID]
        guard let search = TicketSearch(customField: field, anyOf: terms) else { return .refused }
        let page: SearchPage
        do throws(ZendeskError) {
            page = try await zendesk.hits(search, showing: field, isNewestFirst: false, priority: .normal, deadline: deadline)
        } catch  where error.kind == .rejected {
            return .refused
        } catch {
            throw error
        }
        guard page.isWhole else { return .tooMany }
        let (first, last) = (isFound(pair.first, page), isFound(pair.last, page))
        guard proof.isWhole(first, last) else {
            return .unproven(missing: (first ? [] : [pair.first]) + (last ? [] : [pair.last]))
        }
        pool.withLock { $0.learn(page.hits) }
        return .whole(page.hits)
    }

    private func isFound(_ witness: Witness, _ page: SearchPage) -> Bool { page.hits.contains { proof.isFound(witness, $0) } }

    /// Two witnesses for a search; nil if no two known tickets could prove it.
    private func witnesses(for bookings: [String], _ deadline: Deadline) async throws(ZendeskError) -> (first: Witness, last: Witness)? {
        if let pair = pool.withLock({ $0.pair(for: bookings, proof) }) { return pair }
        // Search once for all callers.
        guard await gate.enter(before: deadline) else { throw ZendeskError(.timeIsUp, "no witnesses for a search were found in time") }
        defer { gate.leave() }
        if let pair = pool.withLock({ $0.pair(for: bookings, proof) }) { return pair }
        guard pool.withLock({ $0.wantsCandidates(time.now()) }) else { return nil }
        let page: SearchPage
        defer { pool.withLock { $0.looked(time.now()) } }
        do throws(ZendeskError) {
            page = try await zendesk.hits(
                TicketSearch(withValueIn: field),
                showing: field,
                isNewestFirst: true,
                priority: .normal,
                deadline: deadline
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
            return pool.pair(for: bookings, proof)
        }
    }

    /// Assigns hits to bookings. A hit belongs to the bookings whose ID its own ID contains. Every
    /// other ticket remains a candidate, whose field has to be read.
    private static func assign(_ hits: [SearchHit], to bookings: [String]) -> Found {
        let cores = bookings.map { SearchProof.core($0) }
        let texts = hits.map { $0.text.map { SearchProof.core($0) } }
        return bookings.indices.map { index in
            let candidates = zip(hits, texts).map { Candidate(ticket: $0.ticket, isHit: $1?.contains(cores[index]) ?? false) }
            return (bookings[index], .success(candidates))
        }
    }

    // MARK: Fewer at once

    private func findInHalves(_ bookings: [String], _ deadline: Deadline, _ answered: @escaping @Sendable ([String]) -> Void) async -> Found
    {
        await inParts(bookings, of: (bookings.count + 1) / 2) { await self.find($0, deadline: deadline, answered: answered) }
    }

    private func findSingly(_ bookings: [String], _ deadline: Deadline, _ answered: @escaping @Sendable ([String]) -> Void) async -> Found {
        await inParts(bookings, of: 1) { part in
            let booking = part[0]
            do throws(ZendeskError) {
                let tickets = try await self.zendesk.ticketIDs(holding: booking, in: self.field, deadline: deadline)
                answered(part)
                return [(booking, .success(tickets.map { Candidate(ticket: $0, isHit: true) }))]
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
