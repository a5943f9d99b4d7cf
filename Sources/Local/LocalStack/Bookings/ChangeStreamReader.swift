import FoundationEssentials
import ServiceLifecycle
import Synchronization
import Support
import ZendeskSimulator

/// Reads a change stream as Dataflow's connector does. It reads every partition from its start, and
/// child partitions once all their parents are done. After an error it resumes from the last time
/// that is known to be complete.
///
/// Source: Cloud Spanner's documentation, "Change streams partitions, records, and queries"; the
/// records are those of the emulator.
final class ChangeStreamReader: Service {
    private let bookings: SpannerBookings
    private let journal: Journal
    private let onRecord: @Sendable (ChangeRecord) -> Void
    private let start: String
    private let state = Mutex(PartitionTree())

    /// - Parameter start: where to begin, as an RFC 3339 time.
    init(_ bookings: SpannerBookings, start: String, journal: Journal, onRecord: @escaping @Sendable (ChangeRecord) -> Void) {
        self.bookings = bookings
        self.start = start
        self.journal = journal
        self.onRecord = onRecord
    }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            let (partitions, input) = AsyncStream.makeStream(of: PartitionTree.Partition.self)
            input.yield(.init(token: nil, start: self.start, parents: []))
            await withDiscardingTaskGroup { group in
                for await partition in partitions {
                    group.addTask {
                        for child in await self.read(partition) { input.yield(child) }
                    }
                }
                group.cancelAll()
            }
        }
    }

    /// Reads a partition to its end.
    ///
    /// - Returns: the partitions that can be read now.
    private func read(_ partition: PartitionTree.Partition) async -> [PartitionTree.Partition] {
        var watermark = partition.start
        var hasEnded = false
        while !Task.isCancelled {
            do {
                try await bookings.readChanges(partition: partition.token, start: watermark) { line in
                    for element in try ChangeStreamElement.elements(JSONDecoder().decode(JSON.self, from: line)) {
                        switch element {
                        case .record(let record):
                            onRecord(record)
                            watermark = record.commitTimestamp.description
                        case .heartbeat(let time): watermark = time
                        case .children(let children):
                            state.withLock { $0.add(children) }
                            hasEnded = true
                        }
                    }
                }
                // A partition ends by naming its successors.
                if hasEnded { return state.withLock { $0.finish(partition) } }
            } catch {
                guard !Task.isCancelled else { break }
                journal.note("the change stream is read again from \(watermark): \(error)")
            }
            try? await Task.sleep(for: .milliseconds(500))
        }
        return []
    }
}

/// The known partitions, and which of them may be read.
struct PartitionTree {
    struct Partition: Equatable, Sendable {
        /// Nil for the query that names the first partitions.
        var token: String?
        /// RFC 3339.
        var start: String
        var parents: [String]
    }

    private var known: Set<String> = []
    private var finished: Set<String> = []
    private var waiting: [Partition] = []

    /// Adds partitions. Both parents of a merged partition name it.
    mutating func add(_ partitions: [Partition]) {
        for partition in partitions where partition.token.map({ known.insert($0).inserted }) == true { waiting.append(partition) }
    }

    /// - Returns: the partitions that can be read now.
    mutating func finish(_ partition: Partition) -> [Partition] {
        if let token = partition.token { finished.insert(token) }
        let ready = waiting.filter { finished.isSuperset(of: $0.parents) }
        waiting.removeAll { ready.contains($0) }
        return ready
    }
}

/// An element in an answer of a change stream's query.
enum ChangeStreamElement: Equatable {
    case record(ChangeRecord)
    /// Everything up to this time has been read.
    case heartbeat(String)
    case children([PartitionTree.Partition])

    struct Unreadable: Error, CustomStringConvertible { let description: String }

    /// - Parameter answer: a `PartialResultSet` inside of `result`, or an `error`.
    static func elements(_ answer: JSON) throws -> [ChangeStreamElement] {
        guard let values = answer["result"]?["values"]?.array else {
            throw Unreadable(description: answer["error"]?["message"]?.string ?? "an answer without values")
        }
        // A list of values, one for each row; a value is a list of (records, heartbeats, child
        // partitions).
        return try values.flatMap { value in
            try (value.array ?? []).flatMap { change -> [ChangeStreamElement] in
                guard let parts = change.array, parts.count == 3 else { throw Unreadable(description: "a malformed change record") }
                return try (parts[0].array ?? []).map { .record(try record($0)) }
                    + (parts[1].array ?? []).compactMap { $0.array?.first?.string.map { .heartbeat($0) } }
                    + (parts[2].array ?? []).map { .children(try children($0)) }
            }
        }
    }

    /// commit_timestamp, record_sequence, server_transaction_id,
    /// is_last_record_in_transaction_in_partition, table_name, column_types, mods (keys, new
    /// values, old values), mod_type, value_capture_type, number_of_records_in_transaction,
    /// number_of_partitions_in_transaction, transaction_tag, is_system_transaction.
    private static func record(_ json: JSON) throws -> ChangeRecord {
        guard let parts = json.array, parts.count == 13, let time = parts[0].string.flatMap({ RFC3339($0) }),
            let sequence = parts[1].string,
            let transaction = parts[2].string, let table = parts[4].string, let columns = parts[5].array, let mods = parts[6].array,
            let modType = parts[7].string, let captureType = parts[8].string, let records = parts[9].string.flatMap({ Int($0) }),
            let partitions = parts[10].string.flatMap({ Int($0) })
        else { throw Unreadable(description: "a malformed data change record") }
        var record = ChangeRecord(
            commitTimestamp: time,
            transactionID: transaction,
            mods: mods.compactMap { mod in
                guard let sides = mod.array, sides.count == 3, let keys = sides[0].string else { return nil }
                return .init(keys: keys, oldValues: sides[2].string ?? "{}", newValues: sides[1].string ?? "{}")
            },
            modType: modType
        )
        record.recordSequence = sequence
        record.isLastInTransaction = parts[3] == true
        record.table = table
        record.columns = columns.compactMap { column in
            guard let parts = column.array, parts.count == 4, let name = parts[0].string, let type = parts[1].string else { return nil }
            return .init(name: name, type: type, isPrimaryKey: parts[2] == true, ordinalPosition: parts[3].string.flatMap { Int($0) } ?? 0)
        }
        record.valueCaptureType = captureType
        record.recordsInTransaction = records
        record.partitionsInTransaction = partitions
        record.transactionTag = parts[11].string ?? ""
        record.isSystemTransaction = parts[12] == true
        return record
    }

    /// start_timestamp, record_sequence, child_partitions (token, parent_partition_tokens).
    private static func children(_ json: JSON) throws -> [PartitionTree.Partition] {
        guard let parts = json.array, parts.count == 3, let start = parts[0].string, let partitions = parts[2].array else {
            throw Unreadable(description: "a malformed child partitions record")
        }
        return partitions.compactMap { partition in
            guard let parts = partition.array, let token = parts.first?.string else { return nil }
            return .init(token: token, start: start, parents: parts.last?.array?.compactMap(\.string) ?? [])
        }
    }
}
