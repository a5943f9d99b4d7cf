import FoundationEssentials
import ServiceLifecycle
import Synchronization

/// Stands in for Dataflow. It publishes each change record in a producer's layout, optionally with
/// a pipeline's faults.
package final class Pipeline: Service {
    private let layout: RecordLayout
    private let broker: any Broker
    private let journal: Journal
    private let records: AsyncStream<ChangeRecord>
    private let input: AsyncStream<ChangeRecord>.Continuation
    private let state = Mutex(Faults())
    /// The number of records that were taken and not published yet.
    private let underWay = Mutex(0)

    /// Faults that a pipeline may have: it delivers at least once, and in any order.
    package struct Faults: Equatable, Sendable {
        /// Publishes each record a second time, with its own message ID.
        package var duplicates = false
        /// Delays each record by up to two seconds, so that records overtake one another.
        package var reordering = false
    }

    package init(layout: RecordLayout, broker: any Broker, journal: Journal) {
        self.layout = layout
        self.broker = broker
        self.journal = journal
        (records, input) = AsyncStream.makeStream()
    }

    package var faults: Faults {
        get { state.withLock { $0 } }
        set { state.withLock { $0 = newValue } }
    }

    /// Whether every record has been published.
    package var isEmpty: Bool { underWay.withLock { $0 == 0 } }

    package func take(_ record: ChangeRecord) {
        underWay.withLock { $0 += 1 }
        input.yield(record)
    }

    package func run() async {
        await withDiscardingTaskGroup { group in
            for await record in records.cancelOnGracefulShutdown() {
                let faults = faults
                guard faults != Faults() else {
                    // One at a time, in order of arrival.
                    await publish(record, copies: 1)
                    continue
                }
                group.addTask {
                    if faults.reordering { try? await Task.sleep(for: .milliseconds(Int.random(in: 0...2000))) }
                    await self.publish(record, copies: faults.duplicates ? 2 : 1)
                }
            }
            group.cancelAll()
        }
    }

    private func publish(_ record: ChangeRecord, copies: Int) async {
        defer { underWay.withLock { $0 -= 1 } }
        let data = layout.json(record)
        for copy in 1...copies {
            while !Task.isCancelled {
                do {
                    let id = try await broker.publish(data, attributes: [:])
                    journal.published(id, record, data, isCopy: copy > 1)
                    break
                } catch {
                    // A pipeline retries a record until the topic accepts it.
                    journal.note("a record cannot be published, and is tried again: \(error)")
                    try? await Task.sleep(for: .seconds(1))
                }
            }
        }
    }
}
