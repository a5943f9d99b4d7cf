package import BookingStatusSync
import SpannerChangeStreams

/// The changes of one history's bookings, and how they are published. All of it is decided before
/// anything runs.
package struct History: Sendable {
    /// Simulated time begins here, in seconds since 1970.
    package static let start = 1_795_000_000.0

    /// One transaction's change of one booking's row.
    package struct Commit: Sendable {
        package var bookingID: String
        package var from: String?
        package var to: String?
        package var kind: Kind
        /// Microseconds after the start.
        package var microseconds: Int64
        package var transaction: String
        package var sequence: Int

        package var seconds: Double { Double(microseconds) / 1_000_000 }
    }

    package enum Kind: String, Sendable {
        case insert = "INSERT"
        case update = "UPDATE"
        case delete = "DELETE"
        /// The status was written again, unchanged.
        case sameValue
        /// Another watched column was written.
        case otherColumn
        /// Deleted when the row's time to live ended. The stream leaves this out.
        case timeToLive

        var modType: String {
            switch self {
            case .insert, .update, .delete: rawValue
            case .sameValue, .otherColumn: "UPDATE"
            case .timeToLive: "DELETE"
            }
        }
    }

    package enum Capture: String, CaseIterable, Sendable {
        case oldAndNew = "OLD_AND_NEW_VALUES"
        case newValues = "NEW_VALUES"
        case newRow = "NEW_ROW"
        case newRowAndOld = "NEW_ROW_AND_OLD_VALUES"

        var knowsOldValues: Bool { self == .oldAndNew || self == .newRowAndOld }

        /// Whether a row of this kind has a status, and so may be a change.
        func tellsStatus(_ kind: Kind) -> Bool {
            switch kind {
            case .insert, .update, .delete: true
            case .sameValue: !knowsOldValues
            case .otherColumn: self == .newRow
            case .timeToLive: false
            }
        }
    }

    /// One change record.
    package struct Record: Sendable {
        package var commits: [Commit]
        package var cutsToMilliseconds: Bool
        package var capture: Capture
        /// Has two rows of one booking that differ in another key column. It can never be
        /// processed.
        package var isAmbiguous = false
        package var hasCompositeKey = false
        package var writesNulls = false
    }

    /// Some IDs are prefixes of others.
    static let bookings = ["BK-1", "BK-12", "BK-3", "RES-7", "RES-71"]
    package static let statuses = ["Tentative", "Booked", "InStay", "CheckedOut", "Cancelled"]
    /// A status without a configured tag until a later deployment.
    package static let newStatus = "Blocked"
    package static func tag(_ status: String?) -> String? { status.map { "tag_\($0.lowercased())" } }

    /// All commits of each booking, in their true order.
    package var commits: [String: [Commit]] = [:]
    package var records: [Record] = []
    /// The status of each booking before anything happens.
    package var initial: [String: String] = [:]
    package let capture: Capture
    /// Whether five bookings change, often together.
    package let isCrowd: Bool
    /// The bookings of one large record, each changed once.
    package var bulk: [String] = []
    package var usesNewStatus: Bool { commits.values.contains { $0.contains { $0.to == Self.newStatus } } }

    package init(_ executor: SeededExecutor) {
        capture = executor.pick(Capture.allCases + [.oldAndNew, .oldAndNew, .oldAndNew])
        var writer = Writer(executor, capture)
        isCrowd = executor.chance(0.35)
        let bookings = Array(Self.bookings.prefix(isCrowd ? 5 : executor.chance(0.6) ? 1 : 2))
        // Some bookings are older than the change stream.
        for bookingID in bookings where executor.chance(0.4) { writer.rows[bookingID] = .some(executor.pick(Self.statuses)) }
        initial = writer.rows.compactMapValues(\.self)
        for _ in 0..<executor.number(2...6) {
            // Most changes lie minutes apart, some within seconds, a few within a millisecond.
            let gap =
                isCrowd && executor.chance(0.5)
                ? executor.number(1000...1_000_000)
                : executor.chance(0.06)
                    ? executor.number(20...900)
                    : executor.chance(0.3) ? executor.number(1...3_000_000) : executor.number(3_000_000...300_000_000)
            writer.clock += Int64(gap)
            let touched = executor.chance(isCrowd ? 0.4 : 0.15) ? bookings : [executor.pick(bookings)]
            writer.transaction(on: touched)
        }
        if executor.chance(0.03) { writer.ambiguousRecord() }
        if executor.chance(0.02) {
            bulk = (1...executor.number(150...350)).map { "BULK-\($0)x" }
            writer.bulkRecord(bulk)
        }
        if executor.chance(0.05) { writer.endTimeToLive(of: executor.pick(bookings)) }
        records = writer.records
        commits = writer.commits
    }

    /// The booking's final status.
    package func finalStatus(_ bookingID: String, withTimeToLive: Bool = true) -> String? {
        let last = commits[bookingID]?.last { withTimeToLive || $0.kind != .timeToLive }
        return last.map(\.to) ?? initial[bookingID]
    }

    /// Whether the booking exists at a time, in microseconds after the start.
    func exists(_ bookingID: String, at microseconds: Int64) -> Bool {
        guard let last = commits[bookingID]?.last(where: { $0.microseconds <= microseconds }) else { return initial[bookingID] != nil }
        return last.kind != .delete && last.kind != .timeToLive
    }

    /// The booking's status at a time, in microseconds after the start.
    package func status(_ bookingID: String, at microseconds: Int64) -> String? {
        guard let last = commits[bookingID]?.last(where: { $0.microseconds <= microseconds }) else { return initial[bookingID] }
        return last.to
    }

    /// Whether the order of two commits of a booking is unknown, because a producer cut them to the
    /// same millisecond.
    package func areUnordered(_ left: Commit, _ right: Commit) -> Bool {
        guard left.microseconds / 1000 == right.microseconds / 1000, left.transaction != right.transaction else { return false }
        return records.contains { record in
            record.cutsToMilliseconds && record.commits.contains { [left.transaction, right.transaction].contains($0.transaction) }
        }
    }

    /// Microseconds after the start.
    static func microseconds(_ time: CommitTimestamp) -> Int64 {
        (time.seconds - Int64(start)) * 1_000_000 + Int64(time.nanoseconds) / 1000
    }

    /// Whether the commits before a version can have led to this tag.
    func couldRead(_ tag: String?, of bookingID: String, at version: BookingVersion) -> Bool {
        let microseconds = Self.microseconds(version.commitTimestamp)
        let later = commits[bookingID]?.filter { $0.microseconds >= microseconds } ?? []
        return ([status(bookingID, at: microseconds - 1)] + later.map(\.to)).contains { Self.tag($0) == tag }
    }

    /// The index of the commit that a version names; -1 for none.
    package func position(_ version: BookingVersion, _ bookingID: String) -> Int {
        if version.transactionID == "sweep" {
            // A reading includes everything up to some moment of this millisecond.
            let time = version.commitTimestamp
            let milliseconds = (time.seconds - Int64(Self.start)) * 1000 + Int64(time.nanoseconds) / 1_000_000
            return commits[bookingID]?.lastIndex { $0.microseconds / 1000 <= milliseconds } ?? -1
        }
        return commits[bookingID]?.firstIndex { $0.transaction == version.transactionID && Int(version.recordSequence) == $0.sequence }
            ?? -1
    }
}

/// Writes transactions one after the other, with the stream's records of them.
private struct Writer {
    let executor: SeededExecutor
    let capture: History.Capture
    /// The existing rows, each with its status.
    var rows: [String: String?] = [:]
    var clock: Int64 = 0
    var records: [History.Record] = []
    var commits: [String: [History.Commit]] = [:]
    private var transactions = 0
    private let producers: Int
    private let hasCompositeKeys: Bool
    private let writesNulls: Bool
    private let hasNewStatus: Bool

    init(_ executor: SeededExecutor, _ capture: History.Capture) {
        self.executor = executor
        self.capture = capture
        producers = executor.number(0...9)
        hasCompositeKeys = executor.chance(0.1)
        writesNulls = executor.chance(0.5)
        hasNewStatus = executor.chance(0.1)
    }

    private var cuts: Bool { producers < 4 ? false : producers < 8 ? true : executor.chance(0.5) }

    mutating func transaction(on bookings: [String]) {
        transactions += 1
        var written: [History.Commit] = []
        for bookingID in bookings { written += changes(of: bookingID) }
        // A record holds rows that one transaction changed in the same way. A replaced row is
        // deleted first.
        let cuts = cuts
        for modType in ["DELETE", "INSERT", "UPDATE"] {
            let together = written.filter { $0.kind.modType == modType }
            if !together.isEmpty { publish(together, cuts) }
        }
    }

    private mutating func publish(_ commits: [History.Commit], _ cuts: Bool) {
        let sequence = records.count { $0.commits.first?.transaction == commits[0].transaction }
        let numbered = commits.map { commit in
            var commit = commit
            commit.sequence = sequence
            return commit
        }
        for commit in numbered { self.commits[commit.bookingID, default: []].append(commit) }
        records.append(record(numbered, cuts))
    }

    private func record(_ commits: [History.Commit], _ cuts: Bool) -> History.Record {
        var record = History.Record(commits: commits, cutsToMilliseconds: cuts, capture: capture)
        record.hasCompositeKey = hasCompositeKeys
        record.writesNulls = writesNulls
        return record
    }

    private mutating func changes(of bookingID: String) -> [History.Commit] {
        guard let row = rows[bookingID] else {
            return [write(bookingID, executor.chance(0.8) ? History.statuses[0] : executor.pick(History.statuses), .insert)]
        }
        if executor.chance(capture.knowsOldValues ? 0.06 : 0.2) {
            return [write(bookingID, row, executor.chance(0.5) ? .sameValue : .otherColumn)]
        }
        if executor.chance(0.04) {
            let deletion = delete(bookingID)
            return [deletion, write(bookingID, executor.pick(History.statuses), .insert)]
        }
        if executor.chance(0.08) { return [delete(bookingID)] }
        let next = next(after: row)
        return next == row ? [] : [write(bookingID, next, .update)]
    }

    private func next(after status: String?) -> String? {
        if status != nil, executor.chance(0.04) { return nil }
        if hasNewStatus, executor.chance(0.2) { return History.newStatus }
        guard let index = status.flatMap({ History.statuses.firstIndex(of: $0) }) else { return executor.pick(History.statuses) }
        if executor.chance(0.3), index > 0 { return History.statuses[index - 1] }
        if executor.chance(0.15) { return executor.pick(History.statuses) }
        return History.statuses[min(index + 1, History.statuses.count - 1)]
    }

    private mutating func write(_ bookingID: String, _ status: String?, _ kind: History.Kind) -> History.Commit {
        let former = rows[bookingID] ?? nil
        rows.updateValue(status, forKey: bookingID)
        return commit(bookingID, from: former, to: status, kind)
    }

    private mutating func delete(_ bookingID: String) -> History.Commit {
        let former = rows.removeValue(forKey: bookingID) ?? nil
        return commit(bookingID, from: former, to: nil, .delete)
    }

    private func commit(_ bookingID: String, from: String?, to: String?, _ kind: History.Kind) -> History.Commit {
        History.Commit(
            bookingID: bookingID,
            from: from,
            to: to,
            kind: kind,
            microseconds: clock,
            transaction: "t\(transactions)",
            sequence: 0
        )
    }

    /// Uses a booking of its own, since the change is lost for good.
    mutating func ambiguousRecord() {
        transactions += 1
        clock += 1_000_000
        let rows = ["Tentative", "Booked"].map { commit("BK-9", from: nil, to: $0, .insert) }
        var record = record(rows, false)
        record.isAmbiguous = true
        record.hasCompositeKey = true
        records.append(record)
    }

    mutating func bulkRecord(_ bookings: [String]) {
        transactions += 1
        clock += 5_000_000
        publish(bookings.map { commit($0, from: nil, to: "Booked", .insert) }, false)
    }

    /// Deletes the row without a record.
    mutating func endTimeToLive(of bookingID: String) {
        guard rows[bookingID] != nil else { return }
        transactions += 1
        clock += 1_000_000
        var commit = delete(bookingID)
        commit.kind = .timeToLive
        commits[bookingID, default: []].append(commit)
    }
}

extension History.Record {
    /// The record as its producer writes it.
    package func json(commitMicroseconds: Int64? = nil, finer: Bool = false) -> String {
        let commit = commits[0]
        let micros = commitMicroseconds ?? commit.microseconds
        let seconds = Int64(History.start) + micros / 1_000_000
        let fraction = Int32(micros % 1_000_000) * 1000
        let precision: CommitTimestamp.Precision = cutsToMilliseconds ? .milliseconds : .microseconds
        let timestamp = CommitTimestamp(seconds: seconds, nanoseconds: fraction, precision: precision)
        let time: String
        if cutsToMilliseconds {
            let text = timestamp.rfc3339
            // For a mutant: invents unknown digits.
            let digits = 100 + (Int(commit.transaction.dropFirst()) ?? 0) * 377 % 900
            time = "\"\(finer ? text.dropLast() + "\(digits)Z" : text[...])\""
        } else {
            time = "{\"seconds\":\(timestamp.seconds),\"nanos\":\(timestamp.nanoseconds)}"
        }
        return """
            {"commitTimestamp":\(time),"serverTransactionId":"\(commit.transaction)","recordSequence":"0000000\(commit.sequence)",\
            "tableName":"Bookings","modType":"\(commit.kind.modType)","mods":[\(commits.enumerated().map(mod).joined(separator: ","))],\
            "valueCaptureType":"\(cutsToMilliseconds ? "OLD_AND_NEW_VALUES" : capture.rawValue)"}
            """
    }

    private func mod(_ index: Int, _ commit: History.Commit) -> String {
        let night = hasCompositeKey ? ",\\\"Night\\\":\\\"2026-11-\(10 + index)\\\"" : ""
        return """
            {"keysJson":"{\\"ID\\":\\"\(commit.bookingID)\\"\(night)}","oldValuesJson":\(side(oldValues(of: commit))),\
            "newValuesJson":\(side(newValues(of: commit)))}
            """
    }

    /// One side's columns; nil for SQL's NULL.
    private typealias Side = [(column: String, value: String?)]

    private func oldValues(of commit: History.Commit) -> Side {
        guard capture.knowsOldValues else { return [] }
        switch commit.kind {
        case .insert, .timeToLive: return []
        case .otherColumn: return [("Notes", "x")]
        case .update, .delete, .sameValue: return [("Status", commit.from)]
        }
    }

    private func newValues(of commit: History.Commit) -> Side {
        switch commit.kind {
        case .delete, .timeToLive: []
        case .insert, .update, .sameValue: [("Status", commit.to)]
        case .otherColumn: capture == .newRow || capture == .newRowAndOld ? [("Notes", "y"), ("Status", commit.to)] : [("Notes", "y")]
        }
    }

    /// An empty side is `{}`, or null.
    private func side(_ side: Side) -> String {
        if side.isEmpty, writesNulls { return "null" }
        let members = side.map { "\\\"\($0.column)\\\":" + ($0.value.map { "\\\"\($0)\\\"" } ?? "null") }
        return "\"{\(members.joined(separator: ","))}\""
    }
}
