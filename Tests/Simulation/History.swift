package import BookingStatusSync
import SpannerChangeStreams

/// What happens to the bookings of one history, and how it is published: decided before anything runs.
package struct History: Sendable {
    /// Simulated time begins here, in seconds since 1970.
    package static let start = 1_795_000_000.0

    package struct Commit: Sendable {
        package var bookingID: String
        package var from: String?
        package var to: String?
        /// Microseconds after the start.
        package var microseconds: Int64
        package var transaction: String
        package var sequence: Int

        package var seconds: Double { Double(microseconds) / 1_000_000 }
    }

    package enum Capture: String, CaseIterable, Sendable {
        case oldAndNew = "OLD_AND_NEW_VALUES"
        case newValues = "NEW_VALUES"
        case newRow = "NEW_ROW"
        case newRowAndOld = "NEW_ROW_AND_OLD_VALUES"

        var knowsOldValues: Bool { self == .oldAndNew || self == .newRowAndOld }
    }

    /// One change record.
    package struct Record: Sendable {
        package var commits: [Commit]
        package var cutsToMilliseconds: Bool
        package var capture: Capture
    }

    package static let statuses = ["Tentative", "Booked", "InStay", "CheckedOut", "Cancelled"]
    package static func tag(_ status: String?) -> String? { status.map { "tag_\($0.lowercased())" } }

    /// All commits of a booking in their true order.
    package var commits: [String: [Commit]] = [:]
    package var records: [Record] = []
    /// The status of each booking before anything happens.
    package var initial: [String: String] = [:]
    package let capture: Capture

    package init(_ executor: SeededExecutor) {
        capture = executor.pick(Capture.allCases + [.oldAndNew, .oldAndNew, .oldAndNew])
        let producers = executor.number(0...9)
        var clock: Int64 = 0
        var transactions = 0
        let bookings = ["BK-1", "BK-12"].prefix(executor.chance(0.6) ? 1 : 2)
        // Some bookings are older than the change stream.
        var current: [String: String] = [:]
        for bookingID in bookings where executor.chance(0.4) { current[bookingID] = executor.pick(Self.statuses) }
        initial = current
        for _ in 0..<executor.number(2...6) {
            // Most changes lie minutes apart, some within seconds, a few within a millisecond.
            let gap =
                executor.chance(0.04)
                ? executor.number(20...900)
                : executor.chance(0.3) ? executor.number(1...3_000_000) : executor.number(3_000_000...300_000_000)
            clock += Int64(gap)
            transactions += 1
            let touched = executor.chance(0.15) ? Array(bookings) : [executor.pick(Array(bookings))]
            var inRecord: [String: [Commit]] = [:]
            for bookingID in touched {
                guard let commit = Self.next(bookingID, current[bookingID], clock, "t\(transactions)", executor) else { continue }
                current[bookingID] = commit.to
                commits[bookingID, default: []].append(commit)
                inRecord[commit.from == nil ? "INSERT" : commit.to == nil ? "DELETE" : "UPDATE", default: []].append(commit)
            }
            let cuts = producers < 4 ? false : producers < 8 ? true : executor.chance(0.5)
            for (sequence, modType) in ["INSERT", "UPDATE", "DELETE"].enumerated() {
                guard var together = inRecord[modType] else { continue }
                for index in together.indices { together[index].sequence = sequence }
                records.append(Record(commits: together, cutsToMilliseconds: cuts, capture: capture))
            }
        }
        for bookingID in commits.keys {
            commits[bookingID] = records.flatMap(\.commits).filter { $0.bookingID == bookingID }
        }
    }

    private static func next(
        _ bookingID: String,
        _ current: String?,
        _ clock: Int64,
        _ transaction: String,
        _ executor: SeededExecutor
    ) -> Commit? {
        let to: String?
        switch current.flatMap({ statuses.firstIndex(of: $0) }) {
        case nil: to = executor.chance(0.8) ? statuses[0] : executor.pick(statuses)
        case let index?:
            if executor.chance(0.1) {
                to = nil
            } else if executor.chance(0.3), index > 0 {
                to = statuses[index - 1]
            } else if executor.chance(0.15) {
                to = executor.pick(statuses)
            } else {
                to = statuses[min(index + 1, statuses.count - 1)]
            }
        }
        guard to != current else { return nil }
        return Commit(bookingID: bookingID, from: current, to: to, microseconds: clock, transaction: transaction, sequence: 0)
    }

    /// The status of the booking in the end.
    package func finalStatus(_ bookingID: String) -> String? { status(bookingID, at: .max) }

    /// The status of the booking at a time, in microseconds after the start.
    package func status(_ bookingID: String, at microseconds: Int64) -> String? {
        guard let last = commits[bookingID]?.last(where: { $0.microseconds <= microseconds }) else { return initial[bookingID] }
        return last.to
    }

    /// Whether nobody can tell which of two commits of a booking came first: a producer cut them to the same millisecond.
    package func areUnordered(_ left: Commit, _ right: Commit) -> Bool {
        guard left.microseconds / 1000 == right.microseconds / 1000, left.transaction != right.transaction else { return false }
        return records.contains { record in
            record.cutsToMilliseconds && record.commits.contains { [left.transaction, right.transaction].contains($0.transaction) }
        }
    }

    /// Whether everything that was committed before a version can have led to this tag.
    func couldRead(_ tag: String?, of bookingID: String, at version: BookingVersion) -> Bool {
        let time = version.commitTimestamp
        let microseconds = (time.seconds - Int64(Self.start)) * 1_000_000 + Int64(time.nanoseconds) / 1000
        let later = commits[bookingID]?.filter { $0.microseconds >= microseconds } ?? []
        return ([status(bookingID, at: microseconds - 1)] + later.map(\.to)).contains { Self.tag($0) == tag }
    }

    /// Which of the booking's commits a version names; -1 for none.
    package func position(_ version: BookingVersion, _ bookingID: String) -> Int {
        if version.transactionID == "sweep" {
            // What was read: everything up to some moment of this millisecond.
            let time = version.commitTimestamp
            let milliseconds = (time.seconds - Int64(Self.start)) * 1000 + Int64(time.nanoseconds) / 1_000_000
            return commits[bookingID]?.lastIndex { $0.microseconds / 1000 <= milliseconds } ?? -1
        }
        return commits[bookingID]?.firstIndex { $0.transaction == version.transactionID && Int(version.recordSequence) == $0.sequence }
            ?? -1
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
            time = "\"\(finer ? text.dropLast() + "000Z" : text[...])\""
        } else {
            time = "{\"seconds\":\(timestamp.seconds),\"nanos\":\(timestamp.nanoseconds)}"
        }
        let modType = commit.from == nil ? "INSERT" : commit.to == nil ? "DELETE" : "UPDATE"
        let mods = commits.map { commit in
            func side(_ status: String?, _ isThere: Bool) -> String {
                isThere && status != nil ? "{\\\"Status\\\":\\\"\(status!)\\\"}" : "{}"
            }
            return """
                {"keysJson":"{\\"ID\\":\\"\(commit.bookingID)\\"}","oldValuesJson":"\(side(commit.from, capture.knowsOldValues))",\
                "newValuesJson":"\(side(commit.to, true))"}
                """
        }
        return """
            {"commitTimestamp":\(time),"serverTransactionId":"\(commit.transaction)","recordSequence":"0000000\(commit.sequence)",\
            "tableName":"Bookings","modType":"\(modType)","mods":[\(mods.joined(separator: ","))],\
            "valueCaptureType":"\(cutsToMilliseconds ? "OLD_AND_NEW_VALUES" : capture.rawValue)"}
            """
    }
}
