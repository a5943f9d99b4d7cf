import Foundation
import Zendesk
import ZendeskSimulator

/// The way from one instance to the simulated account: slow, lossy, and with people who get in between.
final class SimulatedTransport: ZendeskTransport, @unchecked Sendable {
    private let world: World
    private let instance: Instance
    /// For a mutant: the tickets as search showed them last.
    private var hits: [Int: JSON] = [:]

    init(_ world: World, _ instance: Instance) {
        self.world = world
        self.instance = instance
    }

    private var executor: SeededExecutor { world.executor }

    func send(_ request: ZendeskRequest, timeout: Duration) async throws(TransportError) -> ZendeskResponse {
        guard instance.isAlive else { throw .cancelled }
        let isChaos = world.isChaos
        if isChaos, executor.chance(0.003) {
            world.count(.instanceDied)
            instance.isAlive = false
            throw .cancelled
        }
        try await pause(.milliseconds(executor.number(5...120)))
        if world.isOutage {
            world.count(.outage)
            if executor.chance(0.5) { return Self.answer(503, "", ["retry-after": "60"]) }
            try await pause(timeout)
            throw .noAnswer("outage")
        }
        let fault = isChaos && executor.chance(world.faultRate) ? executor.number(0...9) : -1
        switch fault {
        case 0:
            world.count(.failedBefore)
            return Self.answer(500, "<html>")
        case 1:
            world.count(.timedOutBefore)
            try await pause(timeout)
            throw .noAnswer("timed out")
        case 2 where request.method == .put:
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
        default: break
        }
        let response = try await exchange(request, timeout)
        try await pause(.milliseconds(executor.number(5...120)))
        switch fault {
        case 7:
            world.count(.failedAfter)
            return Self.answer(502, "<html>")
        case 8:
            world.count(.timedOutAfter)
            try await pause(timeout)
            throw .noAnswer("timed out")
        default: return response
        }
    }

    private func exchange(_ request: ZendeskRequest, _ timeout: Duration) async throws(TransportError) -> ZendeskResponse {
        var request = request
        if world.mutant == .noSafeUpdate { request.body = request.body.map(Self.withoutStamp) }
        let response = arrive(request)
        switch world.mutant {
        case .youngStampsTrusted?:
            var response = response
            response.headers["date"] = "Fri, 31 Dec 2100 00:00:00 GMT"
            return response
        case .decidesOnSearchHits?: return onHits(request, response)
        case .sweepTrustsSearch? where request.target.contains("show_many") || request.target.contains("/export"):
            return onHits(request, response)
        case .sweepOfEmptyFieldsOnly? where request.target.contains("/export"): return emptyOnly(response)
        case .droppedTagTakenForSuccess?: return taggedAsSent(request, response)
        case .repeatsTimedOutUpdates? where request.method == .put && world.isChaos && executor.chance(0.2):
            // The answer is lost, and the update is sent once more, with a stamp that will do.
            try await pause(timeout)
            request.body = request.body.map(Self.withoutStamp)
            return arrive(request)
        default: return response
        }
    }

    /// The request reaches the account.
    private func arrive(_ request: ZendeskRequest) -> ZendeskResponse {
        let ticket = request.method == .put ? Int(request.target.dropFirst("/api/v2/tickets/".count).prefix { $0 != "." }) : nil
        if let ticket, world.isChaos, executor.chance(0.02) { world.editInSameSecond(ticket) }
        let before = ticket.flatMap { world.account.tickets[$0] }
        let answer = world.account.respond(
            to: .init(
                method: request.method.rawValue,
                target: request.target,
                authorization: request.headers.first { $0.name == "authorization" }?.value,
                body: request.body ?? Data()
            ),
            now: world.now
        )
        world.checker.saw(request, by: instance, at: world.now)
        if let ticket, let before, let after = world.account.tickets[ticket] {
            world.checker.wrote(before, after, status: answer.status)
            if answer.status == 409 { world.count(.conflictBySafeUpdate) }
        }
        if answer.status == 429 {
            let isTicket = answer.headers["zendesk-ratelimit-per-ticket-updates"] != nil
            world.count(isTicket ? .limitedTicket : request.method == .put ? .limitedUpdates : .limitedAccount)
        }
        if request.target.contains("search.json") { world.sawSearch(answer.body) }
        if let ticket, world.isChaos, executor.chance(0.02) { world.editInSameSecond(ticket) }
        world.trace { "  \(self.instance.name) \(request.method.rawValue) \(request.target.prefix(60)) -> \(answer.status)" }
        return ZendeskResponse(status: answer.status, headers: answer.headers, body: answer.body)
    }

    private func pause(_ duration: Duration) async throws(TransportError) {
        do {
            try await executor.sleep(duration)
        } catch {
            throw .cancelled
        }
        guard instance.isAlive else { throw .cancelled }
    }

    private static func answer(_ status: Int, _ body: String, _ headers: [String: String] = [:]) -> ZendeskResponse {
        ZendeskResponse(status: status, headers: headers, body: Data(body.utf8))
    }

    private static func withoutStamp(_ body: Data) -> Data {
        Data(String(decoding: body, as: UTF8.self).replacing("\"safe_update\":true,", with: "").utf8)
    }

    private func onHits(_ request: ZendeskRequest, _ response: ZendeskResponse) -> ZendeskResponse {
        guard response.status == 200, let json = try? JSONDecoder().decode(JSON.self, from: response.body) else { return response }
        var response = response
        if case .array(let results)? = json["results"] {
            for hit in results { if case .int(let id)? = hit["id"] { hits[id] = hit } }
        } else if request.method == .get, case .array(let tickets)? = json["tickets"] {
            let stale = tickets.map { ticket in
                if case .int(let id)? = ticket["id"], let hit = hits[id] { return hit }
                return ticket
            }
            response.body = (["tickets": .array(stale)] as JSON).data
        }
        return response
    }

    private func emptyOnly(_ response: ZendeskResponse) -> ZendeskResponse {
        guard let json = try? JSONDecoder().decode(JSON.self, from: response.body), case .object(var members) = json else {
            return response
        }
        for index in members.indices where members[index].name == "results" {
            let empty = (members[index].value.array ?? []).filter { hit in
                (hit["custom_fields"]?.array ?? []).contains { $0["id"] == .int(World.statusField) && $0["value"] == .null }
            }
            members[index].value = .array(empty)
        }
        var response = response
        response.body = JSON.object(members).data
        return response
    }

    private func taggedAsSent(_ request: ZendeskRequest, _ response: ZendeskResponse) -> ZendeskResponse {
        if request.target.contains("ticket_fields") {
            var response = response
            response.body = Data(#"{"ticket_field":{"id":2}}"#.utf8)
            return response
        }
        guard request.method == .put, response.status == 200, let body = request.body,
            let sent = try? JSONDecoder().decode(JSON.self, from: body), let fields = sent["ticket"]?["custom_fields"],
            let answered = try? JSONDecoder().decode(JSON.self, from: response.body), case .object(var ticket)? = answered["ticket"]
        else { return response }
        for index in ticket.indices where ticket[index].name == "custom_fields" { ticket[index].value = fields }
        var response = response
        response.body = (["ticket": .object(ticket), "audit": ["events": []]] as JSON).data
        return response
    }
}
