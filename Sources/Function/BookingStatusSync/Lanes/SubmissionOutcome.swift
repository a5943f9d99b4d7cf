/// The result of a submission.
struct SubmissionOutcome: Sendable {
    /// The results of each change on its tickets; nil for a change that was not started or is still
    /// in progress.
    var results: [[TicketResult]?]
    /// Indexes of the changes that were not started, and the reason.
    var unbegun: [Int] = []
    var refusal: TicketResult?

    init(count: Int) { results = Array(repeating: nil, count: count) }

    init(count: Int, refusal: TicketResult) {
        self.init(count: count)
        (unbegun, self.refusal) = (Array(0..<count), refusal)
    }
}
