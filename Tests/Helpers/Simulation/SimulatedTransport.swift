import Foundation
import Support
import Zendesk
import ZendeskSimulator

/// The connection from one instance to the simulated account: slow, lossy, and with people who edit
/// in between.
final class SimulatedTransport: OutboundTransport, @unchecked Sendable {
    let world: World
    let instance: Instance
    /// The number of hits that each search reported on its first page.
    private var counted: [String: Int] = [:]
    /// For a mutant: the tickets as search last showed them.
    var hits: [Int: JSON] = [:]
    /// For a mutant: the ticket of each booking that a search has shown.
    var seen: [String: Int] = [:]

    init(_ world: World, _ instance: Instance) {
        self.world = world
        self.instance = instance
    }

    var executor: SeededExecutor { world.executor }

    func send(_ request: OutboundRequest, timeout: Duration) async throws(OutboundError) -> OutboundResponse {
        guard instance.isAlive else { throw .cancelled }
        let isChaos = world.isChaos
        if isChaos, executor.chance(0.003) {
            world.count(.instanceDied)
            world.trace { "\(self.instance.name) dies" }
            instance.isAlive = false
            instance.end()
            throw .cancelled
        }
        try await pause(.milliseconds(executor.number(5...120)))
        if world.isOutage {
            world.count(.outage)
            if executor.chance(0.5) { return Self.answer(503, "", ["retry-after": "60"]) }
            try await pause(timeout)
            throw .noAnswer("outage")
        }
        if request.target == "/oauth/tokens", world.hasNoTokens { return refusedMint() }
        let isTakeBack = request.body.map { String(decoding: $0, as: UTF8.self).contains("takes_back") } ?? false
        if isChaos, isTakeBack, world.takeBacksFail {
            world.count(.takeBackRefused)
            return Self.answer(executor.chance(0.5) ? 503 : 409, "", [:])
        }
        if let spoiled = spoiled(request) { return spoiled }
        let fault = isChaos && executor.chance(world.faultRate) ? executor.number(0...13) : -1
        if let spoiled = try await before(fault, request, timeout) { return spoiled }
        let response = try await exchange(request, timeout)
        if let spoiled = spoiledSearch(request, response) { return spoiled }
        try await pause(.milliseconds(executor.number(5...120)))
        switch fault {
        case 7:
            world.count(.failedAfter)
            return Self.answer(502, "<html>")
        case 8:
            world.count(.timedOutAfter)
            try await pause(timeout)
            throw .noAnswer("timed out")
        default:
            if request.method == .put, let ticket = Self.ticket(of: request), world.raced[ticket]?.by === instance,
                world.raced[ticket]?.update == request.body
            {
                world.raced[ticket]?.isKnown = true
            }
            return response
        }
    }

    /// The answer to a request that a bad ticket makes fail.
    private func spoiled(_ request: OutboundRequest) -> OutboundResponse? {
        guard let bad = world.badTicket else { return nil }
        let isPage = request.target.contains("show_many") && request.target.contains("tickets")
        let isHit = ticketsRead(by: request).contains(bad.id)
        if isPage, isHit, bad.failsToRead || bad.kind == .page {
            world.count(bad.kind == .page ? .spoiledPage : .unreadable)
        } else if isHit, bad.failsToRead {
            world.count(.unreadable)
        } else if bad.failsToWrite, request.method == .put, Self.ticket(of: request) == bad.id {
            world.count(.unwritable)
        } else if !(world.mutant == .badTicketFailsPage && isPage) {
            return nil
        }
        let body = bad.status == 403 ? #"{"error":{"title":"Forbidden","message":"You do not have access to this page."}}"# : "<html>"
        return Self.answer(bad.status, body)
    }

    /// The answer to a search for several bookings, or an export, that a bad ticket makes fail.
    private func spoiledSearch(_ request: OutboundRequest, _ response: OutboundResponse) -> OutboundResponse? {
        guard let bad = world.badTicket, bad.kind == .page,
            Self.terms(of: request).count > 1 || request.target.contains("search/export"),
            case .object(let members)? = try? JSONDecoder().decode(JSON.self, from: response.body),
            let hits = members.first(where: { $0.name == "results" })?.value.array, hits.count > 1,
            hits.contains(where: { $0["id"] == .int(bad.id) })
        else { return nil }
        world.count(.spoiledSearch)
        return Self.answer(504, "<html>")
    }

    private func refusedMint() -> OutboundResponse {
        world.count(.noTokens)
        world.checker.saw(OutboundRequest(.post, "/oauth/tokens"), by: instance, at: world.now)
        switch executor.number(0...2) {
        case 0: return Self.answer(401, #"{"error":"invalid_client","error_description":"Client authentication failed"}"#)
        case 1: return Self.answer(500, "<html>")
        default:
            let wait = executor.number(5...60)
            world.checker.refusedMint(instance, for: Double(wait))
            return Self.answer(429, "", ["retry-after": "\(world.mutant == .tokensRepeated ? 1 : wait)"])
        }
    }

    /// Spoils a request before it takes effect; nil if nothing goes wrong.
    private func before(_ fault: Int, _ request: OutboundRequest, _ timeout: Duration) async throws(OutboundError) -> OutboundResponse? {
        let isUpdate = request.method == .put
        switch fault {
        case 0:
            world.count(.failedBefore)
            return Self.answer(500, "<html>")
        case 1:
            world.count(.timedOutBefore)
            if isUpdate, executor.chance(0.5) { landLate(request) }
            try await pause(timeout)
            throw .noAnswer("timed out")
        case 2 where isUpdate:
            world.count(.conflictByCollision)
            return Self.answer(409, #"{"error":"DatabaseConflict","description":"Database collision"}"#)
        case 3:
            world.count(.unavailable)
            return Self.answer(503, "", ["retry-after": "\(executor.number(1...20))"])
        case 4 where request.method == .get && request.target.contains("search.json"):
            world.count(.limitedSearch)
            let headers = [
                "retry-after": "\(executor.number(1...20))", "zendesk-ratelimit-search-index": "total=2500; remaining=0; resets=9",
            ]
            return Self.answer(429, "", headers)
        case 5:
            world.count(.notJSON)
            return Self.answer(200, "<html>")
        case 6:
            world.account.revokeTokens()
            world.count(.tokenRevoked)
        case 9:
            world.count(.limitedAccount)
            let body = #"{"error":"APIRateLimitExceeded","description":"Number of allowed API requests per minute exceeded"}"#
            return Self.answer(429, body, ["retry-after": "\(executor.number(1...60))"])
        case 10 where isUpdate:
            world.count(.forbidden)
            return Self.answer(403, #"{"error":{"title":"Forbidden","message":"You do not have access to this page."}}"#)
        case 11 where isUpdate:
            world.count(.badRequest)
            return Self.answer(400, #"{"error":{"title":"Invalid attribute","message":"You passed an invalid value."}}"#)
        case 12 where isUpdate:
            world.count(.invalidRecord)
            let body = #"{"error":"RecordInvalid","description":"d","details":{"base":[{"description":"Room: is required"}]}}"#
            return Self.answer(422, body)
        case 10...12 where request.target.contains("page%5Bafter%5D") && request.target.contains("export"):
            world.count(.expiredCursor)
            return Self.answer(422, #"{"error":"invalid","description":"cursor"}"#)
        default: break
        }
        return nil
    }

    /// Applies an abandoned update at some later moment.
    private func landLate(_ request: OutboundRequest) {
        world.at(world.elapsed + executor.number(0.1...1800.0)) {
            self.world.count(.landedLate)
            self.world.trace { "an update of \(self.instance.name) lands late" }
            _ = self.arrive(request, isLate: true)
        }
    }

    private func exchange(_ request: OutboundRequest, _ timeout: Duration) async throws(OutboundError) -> OutboundResponse {
        guard let mutant = world.mutant else { return arrive(request) }
        return try await exchange(request, timeout, mutant)
    }

    /// Delivers the request to the account.
    func arrive(_ request: OutboundRequest, isLate: Bool = false) -> OutboundResponse {
        world.lookAtJobs()
        if world.isChaos, executor.chance(world.mutant == .witnessByID ? 0.5 : 0.02) { world.rebookWitness(of: Self.terms(of: request)) }
        let ticket = request.method == .put ? Self.ticket(of: request) : nil
        if let ticket, world.isChaos, executor.chance(0.02) { world.editInSameSecond(ticket) }
        let raced = ticket.flatMap { world.isChaos && !isLate && executor.chance(0.004) ? world.editInRace($0) : nil }
        let before = ticket.flatMap { world.account.tickets[$0] }
        world.account.searchBehavior.isBlind = world.isBlind && !world.losesBrand
        world.account.hiddenBrands = world.isBlind && world.losesBrand ? [700] : []
        let answer = world.account.respond(
            to: .init(
                method: request.method.rawValue,
                target: request.target,
                authorization: request.headers.first { $0.name == "authorization" }?.value,
                body: request.body ?? Data()
            ),
            now: world.zendeskNow
        )
        if !isLate { world.checker.saw(request, by: instance, at: world.now) }
        if isRealJob(request) { began(answer) }
        if let ticket { updated(ticket, before, raced, request, answer.status, isLate) }
        if answer.status == 429 {
            let isTicket = answer.headers["zendesk-ratelimit-per-ticket-updates"] != nil
            world.count(isTicket ? .limitedTicket : request.method == .put ? .limitedUpdates : .limitedAccount)
        }
        if world.isBlind { world.count(world.losesBrand ? .lostBrand : .blindSearch) }
        if ticket == nil, request.target.contains("search.json") { sawSearch(request, answer.body) }
        if request.method == .get, world.isFreshlyHidden { readHidden(request) }
        if let ticket, world.isChaos, executor.chance(0.02) { world.editInSameSecond(ticket) }
        world.trace { "  \(self.instance.name) \(request.method.rawValue) \(request.target.prefix(60)) -> \(answer.status)" }
        var response = OutboundResponse(status: answer.status, headers: answer.headers, body: answer.body)
        spoilDate(&response)
        if world.isChaos, request.method == .get { leaveOut(request, &response) }
        world.lookAtJobs()
        return response
    }

    private func updated(
        _ ticket: Int,
        _ before: SimulatedTicket?,
        _ raced: String?,
        _ request: OutboundRequest,
        _ status: Int,
        _ isLate: Bool
    ) {
        if status == 409 { world.count(.conflictBySafeUpdate) }
        guard let before, let after = world.account.tickets[ticket] else { return }
        if let raced {
            if after.text(of: World.statusField) != raced {
                // Our update replaced it, and only the audit shows that.
                world.count(.editedInRace)
                world.touch(ticket)
                world.raced[ticket] = (raced, instance, request.body, false)
                world.everRaced[ticket] = raced
            } else {
                world.account.edit(ticket, now: world.zendeskNow) { $0.subject += "." }
                world.checker.person(set: raced, on: ticket)
                world.touch(ticket)
            }
        }
        guard status == 200, let audit = after.audits.last, before.audits.count < after.audits.count else { return }
        world.checker.wrote(before, after, metadata: audit.metadata, by: instance)
    }

    private struct JobAnswer: Decodable {
        struct Status: Decodable { let id: String }
        let job_status: Status
    }

    private func began(_ answer: SimulatedZendesk.Response) {
        guard let job = try? JSONDecoder().decode(JobAnswer.self, from: answer.body).job_status.id else { return }
        world.count(.job)
        world.jobOwners[job] = instance
        world.checker.began(job, by: instance, unfinished: world.account.unfinishedJobs)
        world.trace { "    job \(job) for \(self.world.account.unfinishedJobs[job] ?? [])" }
    }

    // MARK: Spoiled answers

    private func spoilDate(_ response: inout OutboundResponse) {
        // The instance's own clock has the same error.
        if world.mutant == .youngStampsTrusted { response.headers["date"] = Self.httpDate(world.now + 3) }
        switch world.clocks {
        case .noDate:
            world.count(.noDate)
            response.headers["date"] = nil
        case .date(let error):
            world.count(.wrongDate)
            response.headers["date"] = Self.httpDate(world.now + error)
        case .zendesk: world.count(.zendeskClockDiffers)
        case .instances, .right: break
        }
    }

    private static func httpDate(_ seconds: Double) -> String {
        let formatter = DateFormatter()
        formatter.locale = Locale(identifier: "en_US_POSIX")
        formatter.timeZone = TimeZone(secondsFromGMT: 0)
        formatter.dateFormat = "EEE, dd MMM yyyy HH:mm:ss 'GMT'"
        return formatter.string(from: Date(timeIntervalSince1970: seconds.rounded(.down)))
    }

    /// Drops an item from a search or a list.
    private func leaveOut(_ request: OutboundRequest, _ response: inout OutboundResponse) {
        let isSearch = request.target.contains("search.json") || request.target.contains("search/export")
        let isList = request.target.contains("show_many")
        guard isSearch || isList, response.status == 200, executor.chance(world.faultRate * 0.1),
            let json = try? JSONDecoder().decode(JSON.self, from: response.body), case .object(var members) = json,
            let list = members.firstIndex(where: { $0.name == (isSearch ? "results" : "tickets") }),
            var items = members[list].value.array, !items.isEmpty
        else { return }
        let item = items.remove(at: executor.number(0...(items.count - 1)))
        members[list].value = .array(items)
        if let count = members.firstIndex(where: { $0.name == "count" }), case .int(let number) = members[count].value {
            if executor.chance(0.5) { members[count].value = .int(number - 1) } else { world.count(.miscounted) }
        }
        response.body = JSON.object(members).data
        world.count(isSearch ? .flappingSearch : .leftOut)
        if isSearch, case .int(let id)? = item["id"] { world.flappedAt[id] = world.elapsed }
    }

    private struct SearchHits: Decodable {
        struct Hit: Decodable {
            struct Field: Decodable { let id: Int, value: String? }
            let id: Int
            let custom_fields: [Field]
        }
        let results: [Hit]
        let next_page: String?
        let count: Int
    }

    /// The tickets that a request reads.
    func ticketsRead(by request: OutboundRequest) -> [Int] {
        guard request.method == .get else { return [] }
        if request.target.contains("show_many") {
            return request.target.split(separator: "=").last?.split(separator: ",").compactMap { Int($0) } ?? []
        }
        return Self.ticket(of: request).map { [$0] } ?? []
    }

    private func readHidden(_ request: OutboundRequest) {
        for id in ticketsRead(by: request) { world.readWhileHidden[id] = world.elapsed }
    }

    private func sawSearch(_ request: OutboundRequest, _ body: Data) {
        guard world.isChaos, let answer = try? JSONDecoder().decode(SearchHits.self, from: body) else { return }
        if answer.next_page != nil { world.count(.severalPages) }
        if request.target.ranges(of: "custom_field_").count > 2 { world.count(.sharedSearch) }
        // A ticket that joins or leaves between two pages moves others to another page.
        let query = String(request.target.prefix { $0 != "&" })
        if request.target.hasSuffix("&page=1") {
            counted[query] = answer.count
        } else if counted[query] != answer.count {
            for id in world.account.tickets.keys { world.flappedAt[id] = world.elapsed }
        }
        if answer.count > world.pageLimits.hits { world.count(.exportedSearch) }
        for hit in answer.results {
            instance.seen[hit.id] = hit.custom_fields.first { $0.id == World.bookingField }?.value
            guard let ticket = world.account.tickets[hit.id] else { continue }
            let values = Dictionary(
                uniqueKeysWithValues: hit.custom_fields.compactMap { field in
                    field.value.flatMap { $0.isEmpty ? nil : (field.id, $0) }
                }
            )
            if values != ticket.customFields.mapValues({ $0.string ?? "" }) { world.count(.staleHit) }
        }
        let bookings = Set(answer.results.map { hit in hit.custom_fields.first { $0.id == World.bookingField }?.value })
        if bookings.count > 1 { world.count(.fuzzyHit) }
        let late = world.indexedAt.filter { id, at in
            at > world.elapsed && world.account.tickets[id].map { $0.createdAt < world.zendeskNow } == true
        }
        if late.keys.contains(where: { id in !answer.results.contains { $0.id == id } }) { world.count(.searchLag) }
    }

    // MARK: Pieces

    func pause(_ duration: Duration) async throws(OutboundError) {
        do {
            try await executor.sleep(duration)
        } catch {
            throw .cancelled
        }
        guard instance.isAlive else { throw .cancelled }
    }

    static func ticket(of request: OutboundRequest) -> Int? {
        request.target.hasPrefix("/api/v2/tickets/") ? Int(request.target.dropFirst("/api/v2/tickets/".count).prefix { $0 != "." }) : nil
    }

    /// The search terms of a request.
    static func terms(of request: OutboundRequest) -> [String] {
        guard request.target.contains("search.json"), let query = request.target.removingPercentEncoding else { return [] }
        return query.matches(of: /custom_field_\d+:"([^"]*)"/).map { String($0.output.1) }
    }

    static func answer(_ status: Int, _ body: String, _ headers: [String: String] = [:]) -> OutboundResponse {
        OutboundResponse(status: status, headers: headers, body: Data(body.utf8))
    }
}
