package import Support

/// The calls that the handler makes to a ticket desk. ``ZendeskClient`` is the production
/// implementation.
///
/// Another desk must find, read and update tickets. All other calls have defaults: no limits, no
/// search for several bookings, no jobs, no lists for the sweep. Set
/// `BookingStatusSettings.sharesCalls` to false for such a desk.
package protocol TicketService: Sendable {
    /// Ids of the tickets whose custom field may hold the text. Additional ids do no harm.
    func ticketIDs(holding text: String, in field: Int, deadline: Deadline) async throws(ZendeskError) -> [Int]

    /// The current tickets. The caller reads a ticket that is left out individually.
    func tickets(_ ids: [Int], priority: CallPriority, deadline: Deadline) async throws(ZendeskError) -> [TicketReading]

    /// The current ticket. Throws an error of kind `notFound` if it is gone.
    func ticket(_ id: Int, priority: CallPriority, deadline: Deadline) async throws(ZendeskError) -> TicketReading

    /// Whether a field exists and, unless the tag is nil, accepts it.
    func field(_ field: Int, accepts tag: String?, priority: CallPriority, deadline: Deadline) async throws(ZendeskError) -> Bool

    /// A ticket's history, oldest first.
    func audits(of id: Int, priority: CallPriority, deadline: Deadline) async throws(ZendeskError) -> [TicketAudit]

    /// Updates a ticket. Throws an error of kind `conflict` if it changed after it was read.
    func update(
        _ id: Int,
        _ update: TicketUpdate,
        priority: CallPriority,
        deadline: Deadline
    ) async throws(ZendeskError) -> TicketUpdateAnswer

    var room: CallRoom { get }
    var usage: CallUsage { get }
    func shortage(reads: Int, writes: Int) -> ZendeskError?
    var ticketsPerCall: Int { get }
    func forgetOptions(of field: Int, olderThan age: Duration)
    func hits(
        _ search: TicketSearch,
        showing field: Int,
        isNewestFirst: Bool,
        priority: CallPriority,
        deadline: Deadline
    ) async throws(ZendeskError) -> SearchPage
    func exportedTickets(
        _ search: TicketSearch,
        after cursor: String?,
        priority: CallPriority,
        deadline: Deadline
    ) async throws(ZendeskError) -> (tickets: [(id: Int, createdAt: Int64?)], next: String?)
    func ticketsByUpdate(after cursor: String?, priority: CallPriority, deadline: Deadline) async throws(ZendeskError) -> TicketPage
    func begin(
        _ updates: [(ticket: Int, update: TicketUpdate)],
        priority: CallPriority,
        deadline: Deadline
    ) async throws(ZendeskError) -> JobStatus
    func jobs(_ ids: [String], priority: CallPriority, deadline: Deadline) async throws(ZendeskError) -> [JobStatus]
}

extension TicketService {
    package var room: CallRoom { CallRoom(reads: 1000, writes: 1000, writeLimit: 1000, isRelaxed: true, isKnown: true) }
    package var usage: CallUsage { CallUsage(reads: 0, readLimit: 1000, writes: 0, writeLimit: 1000, jobs: 0) }
    package func shortage(reads: Int, writes: Int) -> ZendeskError? { nil }
    package var ticketsPerCall: Int { 100 }
    package func forgetOptions(of field: Int, olderThan age: Duration) {}

    package func hits(
        _ search: TicketSearch,
        showing field: Int,
        isNewestFirst: Bool,
        priority: CallPriority,
        deadline: Deadline
    ) async throws(ZendeskError) -> SearchPage { throw .notOffered }

    package func exportedTickets(
        _ search: TicketSearch,
        after cursor: String?,
        priority: CallPriority,
        deadline: Deadline
    ) async throws(ZendeskError) -> (tickets: [(id: Int, createdAt: Int64?)], next: String?) { throw .notOffered }

    package func ticketsByUpdate(
        after cursor: String?,
        priority: CallPriority,
        deadline: Deadline
    ) async throws(ZendeskError) -> TicketPage { throw .notOffered }

    package func begin(
        _ updates: [(ticket: Int, update: TicketUpdate)],
        priority: CallPriority,
        deadline: Deadline
    ) async throws(ZendeskError) -> JobStatus { throw .notOffered }

    package func jobs(_ ids: [String], priority: CallPriority, deadline: Deadline) async throws(ZendeskError) -> [JobStatus] {
        throw .notOffered
    }
}

extension ZendeskError {
    fileprivate static var notOffered: ZendeskError { ZendeskError(.unavailable, "this ticket desk does not offer the call") }
}

extension ZendeskClient: TicketService {
    package func ticketIDs(holding text: String, in field: Int, deadline: Deadline) async throws(ZendeskError) -> [Int] {
        guard let search = TicketSearch(customField: field, text: text) else {
            throw ZendeskError(.rejected, "the text could change the meaning of a search")
        }
        return try await ticketIDs(search, deadline: deadline)
    }
}
