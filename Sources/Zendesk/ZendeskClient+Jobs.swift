import FoundationEssentials
package import Timing

/// Updates of many tickets at once, which Zendesk does as a job.
///
/// What became of a ticket, only a reading tells: a job that says that it succeeded may have left
/// out tags or whole items, and one that vanished may do its work later.
///
/// Source: Zendesk API reference, "Update Many Tickets" and "Job statuses".
extension ZendeskClient {
    /// Begins a job. Its updates are not counted as ticket updates, so the call passes the budget
    /// of other calls.
    ///
    /// - Parameter updates: at most ``ticketsPerCall``, of one ticket each.
    /// - Throws: ``ZendeskError``; of kind `tooManyJobs` if as many are queued or running as
    ///   Zendesk takes.
    package func begin(
        _ updates: [(ticket: Int, update: TicketUpdate)],
        priority: CallPriority,
        deadline: Deadline
    ) async throws(ZendeskError) -> JobStatus {
        let body: Data
        do {
            body = try TicketUpdate.json(updates)
        } catch {
            throw ZendeskError(.rejected, "the updates cannot be written as JSON: \(error)")
        }
        let request = ZendeskRequest(.put, "/api/v2/tickets/update_many.json", body: body)
        let answer: JobAnswer = try await send(request, .read, priority, deadline).value
        beganJob()
        return answer.job_status
    }

    /// The status of jobs, without those that Zendesk left out.
    package func jobs(_ ids: [String], priority: CallPriority, deadline: Deadline) async throws(ZendeskError) -> [JobStatus] {
        let target = "/api/v2/job_statuses/show_many.json?ids=\(ids.map(percentEncoded).joined(separator: ","))"
        let answer: JobsAnswer = try await get(target, priority, deadline).value
        return answer.job_statuses
    }

    /// Tickets that one call names, be it to read them or to begin a job.
    package var ticketsPerCall: Int { limits.ids }
}

/// How far a job has come.
package struct JobStatus: Equatable, Sendable {
    package var id: String
    /// Whether nothing more will come of it.
    package var isOver: Bool
    /// What changes while the job moves.
    package var progress: String
    /// What became of its items, in no order that is known.
    package var results: [Result]

    package struct Result: Equatable, Sendable {
        /// The ticket's id. Of an item that failed it may be the item's position.
        package var id: Int?
        package var hasSucceeded: Bool

        package init(id: Int?, hasSucceeded: Bool) {
            self.id = id
            self.hasSucceeded = hasSucceeded
        }
    }

    package init(id: String, isOver: Bool, progress: String = "", results: [Result] = []) {
        self.id = id
        self.isOver = isOver
        self.progress = progress
        self.results = results
    }
}

private struct JobAnswer: Decodable { let job_status: JobStatus }
private struct JobsAnswer: Decodable { let job_statuses: [JobStatus] }

extension JobStatus: Decodable {
    private enum Key: CodingKey { case id, status, progress, results }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        let status = try container.decode(String.self, forKey: .status)
        id = try container.decode(String.self, forKey: .id)
        isOver = ["completed", "failed", "killed"].contains(status)
        progress = "\(status) \((try? container.decode(Int.self, forKey: .progress)) ?? 0)"
        // Null, a list, or an object without any item: all have been seen.
        results = (try? container.decode([Result].self, forKey: .results)) ?? []
    }
}

extension JobStatus.Result: Decodable {
    private enum Key: CodingKey { case id, success, error }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        id = try? container.decode(Int.self, forKey: .id)
        hasSucceeded = (try? container.decode(Bool.self, forKey: .success)) == true && !container.contains(.error)
    }
}
