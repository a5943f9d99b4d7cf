import Support
import Synchronization
import Zendesk

/// Reads pages of tickets. A page that fails as a whole is read in halves, to find the ticket that
/// spoils it.
final class TicketPages: Sendable {
    private let zendesk: ZendeskClient
    private let time: TimeSource
    /// Tickets that failed in a page of their own, and until when no page contains them.
    private let spoilers = Mutex<[Int: Duration]>([:])

    /// Maximum additional calls for a page.
    private static let maximumExtraCalls = 20
    private static let spoilsFor = Duration.seconds(600)
    /// Maximum calls at once for the tickets that are read one by one.
    private static let width = 10

    private typealias Page = Result<[TicketReading], ZendeskError>

    init(_ zendesk: ZendeskClient, _ time: TimeSource) {
        self.zendesk = zendesk
        self.time = time
    }

    func read(_ tickets: [Int], _ options: CallOptions) async -> [Result<TicketReading?, ZendeskError>] {
        let now = time.now()
        let known = spoilers.withLock { spoilers in
            spoilers = spoilers.filter { $0.value > now }
            return spoilers
        }
        let ids = Set(tickets)
        var found = await readTogether(ids.filter { known[$0] == nil }.sorted(), options)
        // Only a ticket's own path tells whether it is gone.
        let left = ids.filter { found[$0] == nil }.sorted()
        let singles = await concurrently(left, width: Self.width) { await self.readAlone($0, options) }
        for (id, result) in zip(left, singles) { found[id] = result }
        return tickets.map { found[$0]! }
    }

    private func readAlone(_ id: Int, _ options: CallOptions) async -> Result<TicketReading?, ZendeskError> {
        do throws(ZendeskError) {
            return .success(try await zendesk.ticket(id, options))
        } catch {
            return error.kind == .notFound ? .success(nil) : .failure(error)
        }
    }

    /// - Returns: the tickets that pages show, and those whose page failed for all.
    private func readTogether(_ ids: [Int], _ options: CallOptions) async -> TicketReadings {
        var found: TicketReadings = [:]
        var (parts, calls, level, hasAnswer) = ([ids].filter { !$0.isEmpty }, 0, 0, false)
        while !parts.isEmpty {
            calls += parts.count
            let pages: [Page] = await concurrently(parts, width: parts.count) { part in
                do throws(ZendeskError) {
                    return .success(
                        try await self.zendesk.tickets(part, repeats: 0, options)
                    )
                } catch {
                    return .failure(error)
                }
            }
            var halves: [[Int]] = []
            var failure: ZendeskError?
            for (part, page) in zip(parts, pages) {
                switch page {
                case .success(let readings):
                    hasAnswer = true
                    for reading in readings { found[reading.ticket.id] = .success(reading) }
                case .failure(let error) where error.mayConcernOneItem:
                    failure = error
                    if part.count > 1 {
                        halves += [Array(part[..<(part.count / 2)]), Array(part[(part.count / 2)...])]
                    } else {
                        spoil(part[0])
                    }
                case .failure(let error): for id in part { found[id] = .failure(error) }
                }
            }
            // If not even a quarter can be read, Zendesk is down.
            if let failure, (level == 2 && !hasAnswer) || calls + halves.count > Self.maximumExtraCalls + 1 {
                for id in halves.joined() { found[id] = .failure(failure) }
                break
            }
            if !halves.isEmpty { try? await time.sleep(.milliseconds(100 + Int(time.random() * 400))) }
            (parts, level) = (halves, level + 1)
        }
        return found
    }

    private func spoil(_ id: Int) {
        let until = time.now() + Self.spoilsFor
        spoilers.withLock { $0[id] = until }
    }
}
