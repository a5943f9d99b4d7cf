import FunctionRuntime
import Support

extension FunctionFailure {
    /// The failure of an event; nil if there is none. A hopeless outcome counts only when nothing
    /// is left to retry.
    ///
    /// - Parameter unbegun: how many changes were not started, and why.
    init?(_ results: [TicketResult], unbegun: (count: Int, refusal: TicketResult)?) {
        func summary(_ failed: [TicketResult], _ count: Int) -> String {
            let first = failed[0]
            let reason = first.reason.map { "\(first.outcome.rawValue): \($0)" } ?? first.outcome.rawValue
            return count == 1 ? reason : "\(reason) (and \(count - 1) more)"
        }
        let open = results.filter { $0.outcome.verdict == .tryAgain } + (unbegun.map { [$0.refusal] } ?? [])
        if !open.isEmpty {
            self = .tryAgain(
                after: open.compactMap(\.retryAfter).max() ?? .seconds(10),
                summary(open, open.count + max(0, (unbegun?.count ?? 0) - 1))
            )
            return
        }
        let hopeless = results.filter { $0.outcome.verdict == .never }
        guard !hopeless.isEmpty else { return nil }
        self = .unprocessable(summary(hopeless, hopeless.count))
    }
}
