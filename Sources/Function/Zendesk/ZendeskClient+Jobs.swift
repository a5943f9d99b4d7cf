import FoundationEssentials
import Support

/// Updates many tickets at once, in a Zendesk job.
///
/// A job's status does not show what it did to a ticket: read the ticket. A job that reports
/// success may have left out tags or whole items. A job that vanished may still run later.
///
/// Source: Zendesk API reference, "Update Many Tickets" and "Job statuses".
extension ZendeskClient {
    /// Starts a job. Zendesk does not count its updates as ticket updates, so the call uses the
    /// budget of other calls.
    ///
    /// - Parameter updates: at most ``ticketsPerCall``, each for a different ticket.
    /// - Throws: ``ZendeskError``; of kind `tooManyJobs` if Zendesk's limit of queued and running
    ///   jobs is reached.
    package func begin(_ updates: [(ticket: Int, update: TicketUpdate)], _ options: CallOptions) async throws(ZendeskError) -> JobStatus {
        let body: Data
        do {
            body = try TicketUpdate.json(updates)
        } catch {
            throw ZendeskError(.rejected, "the updates cannot be written as JSON: \(error)")
        }
        let request = OutboundRequest(.put, "/api/v2/tickets/update_many.json", body: body)
        let answer: JobAnswer = try await send(request, .read, options).value
        beganJob()
        return answer.job_status
    }

    /// The status of jobs. Zendesk may leave some out.
    package func jobs(_ ids: [String], _ options: CallOptions) async throws(ZendeskError) -> [JobStatus] {
        let target = "/api/v2/job_statuses/show_many.json?ids=\(ids.map(percentEncoded).joined(separator: ","))"
        let answer: JobsAnswer = try await get(target, options, repeats: 0).value
        return answer.job_statuses
    }

    /// Maximum tickets per call, both for reading and for a job.
    package var ticketsPerCall: Int { limits.ids }
}

/// The status of a job.
package struct JobStatus: Equatable, Sendable {
    package var id: String
    /// Whether the job has ended.
    package var isOver: Bool
    /// The results of its items, in no known order.
    package var results: [Result]

    package struct Result: Equatable, Sendable {
        /// The ticket's id. For a failed item it may be the item's position instead.
        package var id: Int?
        package var hasSucceeded: Bool

        package init(id: Int?, hasSucceeded: Bool) {
            self.id = id
            self.hasSucceeded = hasSucceeded
        }
    }

    package init(id: String, isOver: Bool, results: [Result] = []) {
        self.id = id
        self.isOver = isOver
        self.results = results
    }
}

private struct JobAnswer: Decodable { let job_status: JobStatus }
private struct JobsAnswer: Decodable { let job_statuses: [JobStatus] }

extension JobStatus: Decodable {
    private enum Key: CodingKey { case id, status, results }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        let status = try container.decode(String.self, forKey: .status)
        id = try container.decode(String.self, forKey: .id)
        isOver = ["completed", "failed", "killed"].contains(status)
        // Null, a list and an object without items have been seen.
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
