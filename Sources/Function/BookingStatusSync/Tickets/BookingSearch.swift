import Support
import Zendesk

/// Makes the searches.
struct BookingSearch: Sendable {
    private typealias Findings = [(booking: String, result: Result<(tickets: [Int], latest: Int), ZendeskError>)]

    private let index: SearchIndex
    private let controls: Batcher<Void, Void>
    private let latest: @Sendable () -> Int

    init(_ index: SearchIndex, controls: Batcher<Void, Void>, latest: @escaping @Sendable () -> Int) {
        self.index = index
        self.controls = controls
        self.latest = latest
    }

    func find(_ batch: Batcher<String, TicketFinder.Found>.Batch) async -> [Result<TicketFinder.Found, ZendeskError>] {
        let reservation = index.zendesk.reserveReading()
        let bookings = Set(batch.requests).sorted()
        let found = Dictionary(uniqueKeysWithValues: await find(bookings, batch.options).map { ($0.booking, $0.result) })
        return batch.requests.map { booking in
            found[booking]!.map { .init(tickets: $0.tickets, latest: $0.latest, reservation: reservation) }
        }
    }

    /// - Parameters:
    ///   - spoilers: witnesses of a search that failed as a whole.
    private func find(_ bookings: [String], _ options: CallOptions, without spoilers: [Witness] = []) async -> Findings {
        let (limit, areAlternatives) = index.withPool { ($0.limit($1), $0.areTermsAlternatives) }
        guard limit > 1, bookings.count > 1 || areAlternatives else { return await findSingly(bookings, options) }
        // An ID without any letter or digit would be contained in every other ID.
        let (shared, alone) = (bookings.filter { Self.canBeShared($0) }, bookings.filter { !Self.canBeShared($0) })
        guard alone.isEmpty else {
            async let single = findSingly(alone, options)
            return await (shared.isEmpty ? [] : find(shared, options)) + single
        }
        guard bookings.count <= limit else {
            return await inParts(bookings, of: limit) { await self.find($0, options) }
        }
        var tried: [Witness] = []
        do throws(ZendeskError) {
            for _ in 0..<2 {
                guard let witnesses = try await index.witnesses(for: bookings, without: spoilers + tried, options) else { break }
                tried += witnesses
                switch try await search(bookings, witnesses, options) {
                case .whole(let found): return found
                case .tooMany: return await findInHalves(bookings, options)
                case .refused: break
                case .unproven(let missing, let found, let hits):
                    do throws(ZendeskError) {
                        // One such witness is enough to blame the terms.
                        for witness in missing where try await index.lookAt(witness, options) {
                            guard missing.count == witnesses.count else { break }
                            // A ticket has to match all terms.
                            index.withPool { $0.distrust(2, $1) }
                            return await findSingly(bookings, options)
                        }
                    } catch  where error.kind == .searchIsBlind {
                        return Self.named(found, hits, or: error)
                    } catch {
                        throw error
                    }
                    continue
                }
                break
            }
        } catch {
            if error.mayConcernOneItem, spoilers.isEmpty { return await findAroundOne(bookings, options, without: tried) }
            return bookings.map { ($0, .failure(error)) }
        }
        if !tried.isEmpty { index.withPool { $0.distrust(bookings.count, $1) } }
        return await findInHalves(bookings, options)
    }

    private static func canBeShared(_ booking: String) -> Bool { !Witness.core(booking).isEmpty }

    private enum Answer {
        /// All tickets of the bookings, as the index has them.
        case whole(Findings)
        /// There are more hits than one page shows.
        case tooMany
        case unproven(missing: [Witness], Findings, [SearchHit])
        /// Zendesk rejects the query, perhaps because it is too long.
        case refused
    }

    private func search(_ bookings: [String], _ witnesses: [Witness], _ options: CallOptions) async throws(ZendeskError) -> Answer {
        // The first and the last term are witnesses.
        let (first, others) = (witnesses.prefix(witnesses.count / 2), witnesses.suffix(from: witnesses.count / 2))
        let terms = first.map(\.bookingID) + bookings + others.map(\.bookingID)
        guard let search = TicketSearch(customField: index.field, anyOf: terms) else { return .refused }
        let number = index.begin()
        let page: SearchPage
        do throws(ZendeskError) {
            page = try await index.hits(search, repeats: 0, options)
        } catch  where error.kind == .rejected {
            return .refused
        } catch {
            throw error
        }
        guard page.isWhole else { return .tooMany }
        let missing = index.missing(witnesses, in: page)
        let found = Self.assign(page.hits, to: bookings, besides: witnesses.map(\.bookingID), latest())
        guard missing.isEmpty else { return .unproven(missing: missing, found, page.hits) }
        if witnesses.count > 1 { index.withPool { pool, _ in pool.trustTerms() } }
        return .whole(await proven(found, page.hits, since: number, options))
    }

    /// Checks the index before a booking without a hit counts as one without tickets.
    private func proven(_ found: Findings, _ hits: [SearchHit], since number: Int, _ options: CallOptions) async -> Findings {
        let named = Set(hits.compactMap(\.text))
        guard found.contains(where: { !named.contains($0.booking) }), !index.isComplete(since: number) else { return found }
        do throws(ZendeskError) {
            try await controls.ask((), options)
            return found
        } catch {
            return Self.named(found, hits, or: error)
        }
    }

    /// Keeps the findings of bookings that a hit names. The others get the error.
    private static func named(_ found: Findings, _ hits: [SearchHit], or error: ZendeskError) -> Findings {
        let named = Set(hits.compactMap(\.text))
        return found.map { named.contains($0.booking) ? $0 : ($0.booking, .failure(error)) }
    }

    /// Assigns hits to bookings. A hit belongs to the bookings whose ID its own ID contains, as
    /// search compares them. A hit that matches none of the terms may belong to any booking.
    private static func assign(_ hits: [SearchHit], to bookings: [String], besides others: [String], _ latest: Int) -> Findings {
        let cores = (bookings + others).map { Witness.core($0) }
        let texts = hits.map { $0.text.map { Witness.core($0) } }
        let isExplained = texts.map { text in text.map { text in cores.contains { text.contains($0) } } ?? false }
        return bookings.indices.map { index in
            let own = hits.indices.filter { !isExplained[$0] || texts[$0]!.contains(cores[index]) }
            return (bookings[index], .success((own.map { hits[$0].ticket }, latest)))
        }
    }

    // MARK: Smaller searches

    /// Searches in halves and with other witnesses, to isolate the ticket that spoils the search.
    /// If both halves fail, Zendesk is down.
    private func findAroundOne(_ bookings: [String], _ options: CallOptions, without spoilers: [Witness]) async -> Findings {
        guard bookings.count > 1 else { return await findSingly(bookings, options) }
        let middle = bookings.count / 2
        let halves = [Array(bookings[..<middle]), Array(bookings[middle...])]
        let found = await concurrently(halves, width: 2) { await self.find($0, options, without: spoilers) }
        let hasFailed = found.map { found in
            found.allSatisfy { if case .failure(let error) = $0.result { error.mayConcernOneItem } else { false } }
        }
        if hasFailed == [false, false] {
            // Both halves work with other witnesses, so a witness was at fault.
            index.withPool { $0.avoid(spoilers, $1) }
        }
        guard let index = hasFailed.firstIndex(of: true), hasFailed != [true, true] else { return found.flatMap(\.self) }
        return await findAroundOne(halves[index], options, without: spoilers) + found[1 - index]
    }

    private func findInHalves(_ bookings: [String], _ options: CallOptions) async -> Findings {
        guard bookings.count > 1 else { return await findSingly(bookings, options) }
        return await inParts(bookings, of: (bookings.count + 1) / 2) { await self.find($0, options) }
    }

    private func findSingly(_ bookings: [String], _ options: CallOptions) async -> Findings {
        await inParts(bookings, of: 1) { part in
            let booking = part[0]
            let number = self.index.begin()
            do throws(ZendeskError) {
                let hits = try await self.index.allHits(TicketSearch(customField: self.index.field, text: booking)!, options)
                return await self.proven([(booking, .success((hits.map(\.ticket), self.latest())))], hits, since: number, options)
            } catch {
                return [(booking, .failure(error))]
            }
        }
    }

    private func inParts(_ bookings: [String], of size: Int, _ find: @escaping @Sendable ([String]) async -> Findings) async -> Findings {
        let parts = (bookings.count + size - 1) / max(size, 1)
        guard parts > 0 else { return [] }
        // Of equal size, so that no search asks for two bookings while the others ask for many.
        let even = (bookings.count + parts - 1) / parts
        let slices = stride(from: 0, to: bookings.count, by: even).map { Array(bookings[$0..<min($0 + even, bookings.count)]) }
        guard slices.count > 1 else { return await find(bookings) }
        return await concurrently(slices, width: slices.count) { await find($0) }.flatMap(\.self)
    }
}
