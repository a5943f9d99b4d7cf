import FoundationEssentials

/// Updates of many tickets at once, which become a job. A simulated job has done its work by the time it is asked for.
///
/// Source: Zendesk API reference, "Update Many Tickets" and "Job statuses".
extension SimulatedZendesk {
    private struct ManyBody: Decodable {
        let ticket: JSON?
        let tickets: [JSON]?
    }

    mutating func updateMany(_ query: [String: String], _ body: Data, now: Double) -> Response {
        guard let many = try? JSONDecoder().decode(ManyBody.self, from: body) else { return malformedTicket }
        var updates: [(id: Int, change: JSON)] = []
        if let ids = query["ids"], let change = many.ticket {
            updates = ids.split(separator: ",").compactMap { Int($0) }.map { ($0, change) }
        } else {
            updates = (many.tickets ?? []).compactMap { change in
                guard case .int(let id)? = change["id"] else { return nil }
                return (id, change)
            }
        }
        guard !updates.isEmpty else { return malformedTicket }
        guard updates.count <= pages.ids else { return tooManyValues }
        let results: [JSON] = updates.enumerated().map { index, update in
            let answer = tryToUpdate(update.id, JSON.object([.init(name: "ticket", value: update.change)]).data, now: now)
            guard answer.status != 200 else { return ["id": .int(update.id), "action": "update", "status": "Updated", "success": true] }
            return [
                "index": .int(index), "id": .int(update.id), "error": answer.json["error"] ?? "TicketUpdateFailed",
                "details": answer.json["description"] ?? "",
            ]
        }
        let id = "V3-\(jobs.count + 1)"
        jobs[id] = results
        return Response(200, ["job_status": job(id, "queued", total: results.count, nil)])
    }

    func jobStatus(_ id: String) -> Response {
        guard let results = jobs[id] else { return notFound }
        return Response(200, ["job_status": job(id, "completed", total: results.count, results)])
    }

    private func job(_ id: String, _ status: JSON, total: Int, _ results: [JSON]?) -> JSON {
        [
            "id": .string(id), "job_type": "Batch Update Ticket", "url": .string("\(baseURL)/api/v2/job_statuses/\(id).json"),
            "total": .int(total),
            "progress": results.map { .int($0.count) } ?? .null, "status": status, "message": nil,
            "results": results.map { .array($0) } ?? .null,
        ]
    }
}
