import Logging
import SpannerChangeStreams

@testable import BookingStatusSync

extension BookingStatus {
    /// A status whose name is its tag.
    static func tag(_ tag: String) -> BookingStatus { BookingStatus(name: tag, tag: tag) }
}

extension FormerStatus {
    static func tag(_ tag: String) -> FormerStatus { .status(.tag(tag)) }
    static let untagged = FormerStatus.status(BookingStatus(name: "untagged", tag: nil))
}

/// A version whose commit is `seconds` after a fixed moment.
func version(_ seconds: Int64, nanoseconds: Int32 = 0, record: String = "00000000", transaction: String? = nil) -> BookingVersion {
    BookingVersion(
        commitTimestamp: CommitTimestamp(seconds: 1_795_464_800 + seconds, nanoseconds: nanoseconds, precision: .microseconds),
        recordSequence: record,
        transactionID: transaction ?? "t\(seconds)"
    )
}

/// A change whose statuses are named like their tags.
func change(
    of bookingID: String,
    from: FormerStatus,
    to: String?,
    _ version: BookingVersion,
    isFresh: Bool = false,
    source: ChangeCause.Source = .stream
) -> BookingChange {
    let logger = Logger(label: "t") { _ in SwiftLogNoOpLogHandler() }
    let cause = ChangeCause(version: version, isFresh: isFresh, source: source, eventID: "e", logger: logger)
    return BookingChange(bookingID: bookingID, from: from, to: to.map { .tag($0) }, cause: cause)
}

extension TaskScope {
    /// Runs the tasks while the body runs.
    func whileRunning<Result: Sendable>(_ body: () async -> Result) async -> Result {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.run() }
            while !isRunning { await Task.yield() }
            let result = await body()
            group.cancelAll()
            return result
        }
    }
}
