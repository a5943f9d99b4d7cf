import Foundation
import Support
import Zendesk
import ZendeskSimulator

/// Mutants of answers. Each shows the product what a mistaken version of it would believe.
extension SimulatedTransport {
    func exchange(_ request: OutboundRequest, _ timeout: Duration, _ mutant: Mutant) async throws(OutboundError) -> OutboundResponse {
        var request = request
        if mutant == .noSafeUpdate { request.body = request.body.map(Self.withoutStamp) }
        if mutant == .takesBackTooMuch, isTakeBack(request) { request.body = request.body.map(Self.emptyingVersion) }
        if let answer = pretends(request, mutant) { return answer }
        // Trusting a young stamp matters only if people edit in the very second of a reading.
        let read = mutant == .youngStampsTrusted && world.isChaos ? ticketsRead(by: request).filter { _ in executor.chance(0.1) } : []
        for id in read { world.editInSameSecond(id) }
        if mutant == .jobWithoutStamps, isRealJob(request) { request.body = request.body.map(Self.withoutStamps) }
        let response = arrive(request)
        for id in read { world.editInSameSecond(id) }
        switch mutant {
        case .unprovenTakenForWhole: return forging(Self.witnesses(of: request), response)
        case .emptySearchBelieved: return provingNothing(request, response)
        case .oneWitness: return forging(Self.witnesses(of: request).suffix(1), response)
        case .witnessByID: return renaming(Self.witnesses(of: request), response)
        case .decidesOnSearchHits: return onHits(request, response)
        case .sweepTrustsSearch where request.target.contains("show_many") || request.target.contains("/export"):
            return onHits(request, response)
        case .sweepOfEmptyFieldsOnly where request.target.contains("/export"): return emptyOnly(response)
        case .ticketInTwoJobs where isRealJob(request): return arrive(request)
        case .jobBelieved: return asJobsSay(request, response)
        case .droppedTagTakenForSuccess: return taggedAsSent(request, response)
        case .repeatsTimedOutUpdates where request.method == .put && world.isChaos && executor.chance(0.2):
            // The answer is lost, and the update is sent again without a safe update.
            try await pause(timeout)
            request.body = request.body.map(Self.withoutStamp)
            return arrive(request)
        default: return response
        }
    }

    /// Answers without the account, as if something had been done.
    private func pretends(_ request: OutboundRequest, _ mutant: Mutant) -> OutboundResponse? {
        guard let id = Self.ticket(of: request) else { return nil }
        switch mutant {
        case .takeBackLost:
            if isTakeBack(request) { return read(request) }
            return request.target.contains("audits") ? Self.answer(200, #"{"audits":[],"meta":{"has_more":false}}"#) : nil
        case .garbledTicketForgotten:
            guard request.method == .put, world.garbled.contains(id) else { return nil }
            return taggedAsSent(request, read(request))
        default: return nil
        }
    }

    private func isTakeBack(_ request: OutboundRequest) -> Bool {
        request.body.map { String(decoding: $0, as: UTF8.self).contains("takes_back") } ?? false
    }

    /// Reads the ticket instead of updating it.
    private func read(_ request: OutboundRequest) -> OutboundResponse {
        arrive(OutboundRequest(.get, request.target, headers: request.headers))
    }

    static func withoutStamp(_ body: Data) -> Data {
        Data(String(decoding: body, as: UTF8.self).replacing("\"safe_update\":true,", with: "").utf8)
    }

    private static func emptyingVersion(_ body: Data) -> Data {
        guard let json = try? JSONDecoder().decode(JSON.self, from: body), case .object(var ticket)? = json["ticket"],
            let index = ticket.firstIndex(where: { $0.name == "custom_fields" })
        else { return body }
        let fields = (ticket[index].value.array ?? []).map {
            $0["id"] == .int(World.versionField) ? ["id": .int(World.versionField), "value": ""] : $0
        }
        ticket[index].value = .array(fields)
        return (["ticket": .object(ticket)] as JSON).data
    }

    private func onHits(_ request: OutboundRequest, _ response: OutboundResponse) -> OutboundResponse {
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

    // MARK: Witnesses

    /// The first and the last term of a search for several bookings.
    private static func witnesses(of request: OutboundRequest) -> [String] {
        let terms = terms(of: request)
        return terms.count > 2 ? [terms[0], terms[terms.count - 1]] : []
    }

    private static func bookingID(of hit: JSON) -> String? {
        hit["custom_fields"]?.array?.first { $0["id"] == .int(World.bookingField) }?["value"]?.string
    }

    private func changingHits(_ response: OutboundResponse, _ change: ([JSON]) -> [JSON]) -> OutboundResponse {
        guard response.status == 200, let json = try? JSONDecoder().decode(JSON.self, from: response.body),
            case .object(var members) = json, let results = members.firstIndex(where: { $0.name == "results" }),
            let count = members.firstIndex(where: { $0.name == "count" }), case .int(let number) = members[count].value
        else { return response }
        let former = members[results].value.array ?? []
        let hits = change(former)
        members[results].value = .array(hits)
        members[count].value = .int(number + hits.count - former.count)
        var response = response
        response.body = JSON.object(members).data
        return response
    }

    private static func hit(_ ticket: Int, _ bookingID: String) -> JSON {
        ["id": .int(ticket), "custom_fields": [["id": .int(World.bookingField), "value": .string(bookingID)]]]
    }

    /// Shows witnesses that the search did not find.
    private func forging(_ witnesses: [String], _ response: OutboundResponse) -> OutboundResponse {
        changingHits(response) { hits in
            remember(hits)
            let missing = witnesses.filter { witness in !hits.contains { Self.bookingID(of: $0) == witness } }
            return hits + missing.compactMap { witness in seen[witness].map { Self.hit($0, witness) } }
        }
    }

    /// Shows a ticket that proves that the index is complete, although it is down.
    private func provingNothing(_ request: OutboundRequest, _ response: OutboundResponse) -> OutboundResponse {
        let asksForAny = request.target.contains("search.json") && request.target.removingPercentEncoding?.contains(":*") == true
        guard world.isBlind, asksForAny || Self.terms(of: request).contains("Z-PROOF") else { return response }
        return changingHits(response) { $0 + [Self.hit(999_999, "Z-PROOF")] }
    }

    /// Takes a witness's ticket for found, whatever booking it names now.
    private func renaming(_ witnesses: [String], _ response: OutboundResponse) -> OutboundResponse {
        changingHits(response) { hits in
            let before = seen
            remember(hits)
            return hits.map { hit in
                guard case .int(let id)? = hit["id"], let witness = witnesses.first(where: { before[$0] == id }) else { return hit }
                return Self.hit(id, witness)
            }
        }
    }

    private func remember(_ hits: [JSON]) {
        for hit in hits { if case .int(let id)? = hit["id"], let bookingID = Self.bookingID(of: hit) { seen[bookingID] = id } }
    }

    // MARK: Jobs

    /// Whether a job is real. A job that proves something sets no field.
    func isRealJob(_ request: OutboundRequest) -> Bool {
        guard request.target.contains("update_many"), let body = request.body else { return false }
        return !String(decoding: body, as: UTF8.self).contains("\"custom_fields\":[]")
    }

    private static func withoutStamps(_ body: Data) -> Data {
        let text = String(decoding: body, as: UTF8.self).replacing("\"safe_update\":true,", with: "")
        return Data(text.replacing(/"updated_stamp":"[^"]*"/, with: "\"x\":0").utf8)
    }

    /// Shows every item of a started job as successful.
    private func asJobsSay(_ request: OutboundRequest, _ response: OutboundResponse) -> OutboundResponse {
        if isRealJob(request), response.status == 200, let sent = try? JSONDecoder().decode(JSON.self, from: request.body ?? Data()) {
            for item in sent["tickets"]?.array ?? [] { if case .int(let id)? = item["id"] { hits[id] = item } }
        }
        guard request.target.contains("show_many.json?ids"), request.target.contains("tickets"), response.status == 200,
            let json = try? JSONDecoder().decode(JSON.self, from: response.body)
        else { return response }
        let tickets = (json["tickets"]?.array ?? []).map { ticket in
            guard case .int(let id)? = ticket["id"], let item = hits.removeValue(forKey: id), case .object(var members) = ticket,
                let fields = members.firstIndex(where: { $0.name == "custom_fields" })
            else { return ticket }
            let sent = item["custom_fields"]?.array ?? []
            let others = (members[fields].value.array ?? []).filter { field in !sent.contains { $0["id"] == field["id"] } }
            members[fields].value = .array(others + sent)
            return .object(members)
        }
        var response = response
        response.body = (["tickets": .array(tickets)] as JSON).data
        return response
    }

    private func emptyOnly(_ response: OutboundResponse) -> OutboundResponse {
        guard let json = try? JSONDecoder().decode(JSON.self, from: response.body), case .object(var members) = json else {
            return response
        }
        for index in members.indices where members[index].name == "results" {
            let empty = (members[index].value.array ?? []).filter { hit in
                let field = hit["custom_fields"]?.array?.first { $0["id"] == .int(World.statusField) }
                return field?["value"]?.string?.isEmpty ?? true
            }
            members[index].value = .array(empty)
        }
        var response = response
        response.body = JSON.object(members).data
        return response
    }

    private func taggedAsSent(_ request: OutboundRequest, _ response: OutboundResponse) -> OutboundResponse {
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
