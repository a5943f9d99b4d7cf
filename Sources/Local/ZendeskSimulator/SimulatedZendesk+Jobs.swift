import FoundationEssentials

/// How an account runs jobs. Zendesk documents little of it.
///
/// Sources: recorded traffic in zenpy's tests (2023), where jobs of 100, 50 and 1 tickets took 10,
/// 5 and 2 seconds; Zendesk API reference, "Job statuses", for thirty jobs at a time.
package struct JobBehavior: Equatable, Sendable {
    /// Seconds that a job waits before it begins.
    package var queueing = 1.0
    package var secondsPerTicket = 0.1
    /// Whether an item is left undone if its ticket changed after its stamp.
    package var honorsStamps = true
    /// The same as `honorsStamps`, for a job that began late.
    package var honorsStampsLate = true
    /// Whether the ticket's audit keeps an item's metadata.
    package var keepsMetadata = true
    /// Whether a failed result has the item's position as its ID, instead of the ticket's.
    package var namesPositions = false
    /// The maximum number of jobs that are queued or running.
    package var maximum = 30
    /// The status code when there are too many jobs.
    package var tooManyStatus = 429

    package init() {}
}

/// What a job did to a ticket.
package struct JobUpdate: Sendable {
    package let job: String
    package let isLate: Bool
    package let before: SimulatedTicket
    package let after: SimulatedTicket
    /// The metadata as sent, whether or not the account kept it.
    package let metadata: JSON
}

/// Counts of job faults.
package struct JobFaults: Equatable, Sendable {
    package var stalled = 0
    package var vanished = 0
    package var failed = 0
    package var droppedTags = 0
    package var tooMany = 0
}

/// A job that updates many tickets one after the other, as time passes.
struct SimulatedJob: Sendable {
    let id: String
    var items: [(ticket: Int, change: JSON)]
    let queuedAt: Double
    let beginsAt: Double
    let secondsPerTicket: Double
    var results: [JSON] = []
    var fate = Fate.normal
    var isStalled = false

    enum Fate { case normal, vanished, failed }

    var isOver: Bool { results.count == items.count || fate == .failed }
    var nextAt: Double { beginsAt + secondsPerTicket * Double(results.count + 1) }
}

/// Bulk updates, which run as jobs.
///
/// Source: Zendesk API reference, "Update Many Tickets" and "Job statuses".
extension SimulatedZendesk {
    private struct ManyBody: Decodable {
        let ticket: JSON?
        let tickets: [JSON]?
    }

    mutating func updateMany(_ query: [String: String], _ body: Data, now: Double) -> Response {
        guard let many = try? JSONDecoder().decode(ManyBody.self, from: body) else { return malformedTicket }
        var items: [(ticket: Int, change: JSON)] = []
        if let ids = query["ids"], let change = many.ticket {
            items = ids.split(separator: ",").compactMap { Int($0) }.map { ($0, change) }
        } else {
            items = (many.tickets ?? []).compactMap { change in
                guard case .int(let id)? = change["id"] else { return nil }
                return (id, change)
            }
        }
        guard !items.isEmpty else { return malformedTicket }
        guard items.count <= pages.ids else { return tooManyValues }
        // A status is kept for a day.
        jobs.removeAll { $0.isOver && now - $0.queuedAt > 86_400 }
        let running = jobs.filter { !$0.isOver }
        guard running.count < jobBehavior.maximum, !chance(faults.tooManyJobs) else { return tooManyJobs(running) }
        let isStalled = chance(faults.stalledJobs)
        lastJob += 1
        var job = SimulatedJob(
            id: "V3-\(lastJob)",
            items: items,
            queuedAt: now,
            beginsAt: now + (isStalled ? Double.random(in: 30...600, using: &random) : jobBehavior.queueing),
            secondsPerTicket: jobBehavior.secondsPerTicket
        )
        job.isStalled = isStalled
        if chance(faults.vanishedJobs) { job.fate = .vanished } else if chance(faults.failedJobs) { job.fate = .failed }
        if isStalled { jobFaults.stalled += 1 }
        if job.fate == .vanished { jobFaults.vanished += 1 }
        if job.fate == .failed { jobFaults.failed += 1 }
        let answer = Response(200, ["job_status": status(of: job, now: now, isNew: true)])
        jobs.append(job)
        return answer
    }

    private mutating func tooManyJobs(_ running: [SimulatedJob]) -> Response {
        jobFaults.tooMany += 1
        return Response(
            jobBehavior.tooManyStatus,
            [
                "error": "TooManyJobs",
                "description": "Too many TicketBulkUpdateJobV3 jobs are currently queued or running. Try again later.",
                "current_job_ids": .array(running.map { .string($0.id) }),
            ]
        )
    }

    /// Processes the items that are due by now, in order of time.
    package mutating func runJobs(now: Double) {
        while let index = jobs.indices.filter({ !jobs[$0].isOver && jobs[$0].nextAt <= now }).min(by: { jobs[$0].nextAt < jobs[$1].nextAt })
        {
            let job = jobs[index]
            let (ticket, change) = job.items[job.results.count]
            let before = tickets[ticket]
            let result = update(ticket, change, in: job)
            jobs[index].results.append(result)
            if let before, let after = tickets[ticket], before != after {
                onJobUpdate?(
                    JobUpdate(job: job.id, isLate: job.isStalled, before: before, after: after, metadata: change["metadata"] ?? .null)
                )
            }
        }
    }

    private mutating func update(_ ticket: Int, _ change: JSON, in job: SimulatedJob) -> JSON {
        var change = change
        if !jobBehavior.keepsMetadata { change.remove("metadata") }
        if chance(faults.tagsDroppedByJobs) {
            jobFaults.droppedTags += 1
            change.removeTexts { field in fields.contains { $0.id == field && $0.options != nil } }
        }
        if !(job.isStalled ? jobBehavior.honorsStampsLate && jobBehavior.honorsStamps : jobBehavior.honorsStamps) {
            change.remove("safe_update")
            change.remove("updated_stamp")
        } else if change["updated_stamp"] == nil {
            // An item without a stamp gets the time when the job was queued.
            change.set("safe_update", true)
            change.set("updated_stamp", .string(SimulatedTicket.stamp(job.queuedAt)))
        }
        let answer = tryToUpdate(ticket, JSON.object([.init(name: "ticket", value: change)]).data, now: job.nextAt, isInJob: true)
        guard answer.status != 200 else { return ["id": .int(ticket), "action": "update", "status": "Updated", "success": true] }
        return [
            "index": .int(job.results.count), "id": .int(jobBehavior.namesPositions ? job.results.count : ticket),
            "error": answer.json["error"] ?? "TicketUpdateFailed", "details": answer.json["description"] ?? "",
        ]
    }

    /// The tickets that each unfinished job has yet to process.
    package var unfinishedJobs: [String: [Int]] {
        Dictionary(uniqueKeysWithValues: jobs.filter { !$0.isOver }.map { job in (job.id, job.items[job.results.count...].map(\.ticket)) })
    }

    func jobStatus(_ id: String, now: Double) -> Response {
        guard let job = jobs.first(where: { $0.id == id && $0.fate != .vanished }) else { return notFound }
        return Response(200, ["job_status": status(of: job, now: now)])
    }

    func jobStatuses(_ query: [String: String], now: Double) -> Response {
        let ids = (query["ids"] ?? "").split(separator: ",").map(String.init)
        guard ids.count <= pages.ids else { return tooManyValues }
        let found = jobs.filter { ids.contains($0.id) && $0.fate != .vanished }
        return Response(200, ["job_statuses": .array(found.map { status(of: $0, now: now) })])
    }

    private func status(of job: SimulatedJob, now: Double, isNew: Bool = false) -> JSON {
        let hasFailed = job.fate == .failed || (job.isOver && job.results.allSatisfy { $0["error"] != nil })
        let status: JSON = isNew || now < job.beginsAt ? "queued" : hasFailed ? "failed" : job.isOver ? "completed" : "working"
        let isOver = status == "failed" || status == "completed"
        return [
            "id": .string(job.id), "job_type": "Batch Update Ticket", "url": .string("\(baseURL)/api/v2/job_statuses/\(job.id).json"),
            "total": .int(job.items.count), "progress": isNew ? .null : .int(job.results.count), "status": status, "message": nil,
            "results": isOver && !job.results.isEmpty ? .array(job.results) : .null,
        ]
    }
}

extension JSON {
    fileprivate mutating func remove(_ name: String) {
        guard case .object(let members) = self else { return }
        self = .object(members.filter { $0.name != name })
    }

    fileprivate mutating func set(_ name: String, _ value: JSON) {
        remove(name)
        guard case .object(let members) = self else { return }
        self = .object(members + [.init(name: name, value: value)])
    }

    fileprivate mutating func removeTexts(_ isRemoved: (Int) -> Bool) {
        let kept = (self["custom_fields"]?.array ?? []).filter { field in
            if case .int(let id)? = field["id"], field["value"]?.string != nil { !isRemoved(id) } else { true }
        }
        set("custom_fields", .array(kept))
    }
}
