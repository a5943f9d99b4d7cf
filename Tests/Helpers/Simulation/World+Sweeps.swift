import BookingStatusSync
import FunctionRuntime
import Foundation
import Logging
import Support
import Zendesk
import ZendeskSimulator

/// Sweeps, requested by a schedule and by a job.
extension World {
    /// Requests sweeps at irregular intervals.
    func sweepAgainAndAgain() async {
        var number = 0
        while isChaos {
            await wait(until: elapsed + executor.number(30.0...600.0))
            number += 1
            await deliverSweep("s\(number)", publishedAt: elapsed)
        }
    }

    private func deliverSweep(_ messageID: String, publishedAt: Double) async {
        if executor.chance(0.2) { await wait(until: elapsed + executor.number(0.0...120.0)) }
        for attempt in 1...3 {
            let index = executor.number(0...(instances.count - 1))
            let instance = instances[index]
            let end = executor.now + .seconds(30)
            let message = PubSubMessage(
                id: messageID,
                data: Data(),
                attributes: ["task": "sweep"],
                publishTime: Date(timeIntervalSince1970: History.start + publishedAt)
            )
            let context = FunctionContext(eventID: messageID, executionID: messageID, logger: sweepLogger) { [executor] in
                end - executor.now
            }
            count(.sweep)
            instance.given += account.tickets.count + 1
            trace { "sweep \(messageID), delivery \(attempt), to \(instance.name)" }
            if await handle(message, context, instance) { return }
            count(.sweepFailed)
            if !instance.isAlive, instances[index] === instance { instances[index] = newInstance() }
            await wait(until: elapsed + executor.number(5.0...30.0))
        }
    }

    private var sweepLogger: Logger {
        Logger(label: "s") { _ in
            OutcomeLog { metadata in
                if "\(metadata["reason"] ?? "")".hasPrefix("more tickets were updated") { self.count(.windowCut) }
                guard let outcome = metadata["outcome"] else { return }
                self.trace {
                    "    sweep \(metadata["booking"] ?? "") ticket \(metadata["ticket"] ?? "-"): \(outcome) \(metadata["reason"] ?? "")"
                }
            }
        }
    }

    /// Runs a job with its own instance during the chaos. It stops, and resumes where it stopped.
    func sweepAllInChaos() async {
        await wait(until: executor.number(0.0...chaosEnds * 0.8))
        var instance = newInstance()
        var start = Int64(History.start) - 86_400
        for attempt in 0..<8 {
            trace { "a job sweeps all tickets from \(start) on" }
            var seen = start
            if attempt > 0 { count(.sweepOfAllStopped) }
            let deadline = Deadline(after: .seconds(3600), instance.time)
            instance.given += account.tickets.count + 1
            do {
                _ = try await instance.handler.sweepAll(from: start, deadline: deadline, logger: sweepLogger) { seen = $0.seenUpTo ?? seen }
                break
            } catch {
                trace { "  the job stops: \(error)" }
                start = seen
                if !instance.isAlive { instance = newInstance() }
                await wait(until: elapsed + executor.number(10.0...60.0))
            }
        }
        instance.end()
    }

    /// Sweeps all tickets in the end, until none is unfinished. One more sweep must find nothing to
    /// do.
    func sweepAll() async {
        // By then search has indexed everything, and refused updates get their daily retry.
        await wait(until: max(elapsed, chaosEnds + account.searchLag.upperBound + 3600) + 90_000)
        trace { "sweep of all tickets" }
        var isDone = false
        for _ in 0..<20 where !isDone {
            isDone = await sweepOnce()
            // A ticket's own limit lasts for ten minutes.
            if !isDone { await wait(until: elapsed + 60) }
        }
        guard isDone else { return checker.violation("the sweep of all tickets does not end") }
        await wait(until: elapsed + 10)
        let updates = checker.updates
        _ = await sweepOnce()
        // A job may write a ticket that no update of its own can write.
        if checker.updates > updates, badTicket?.failsToWrite != true {
            checker.violation("a sweep wrote \(checker.updates - updates) tickets that were right")
        }
    }

    private func sweepOnce() async -> Bool {
        // A leftover of an event may have ended the instance.
        if !instances[0].isAlive { instances[0] = newInstance() }
        let instance = instances[0]
        let deadline = Deadline(after: .seconds(86_400), instance.time)
        do {
            let start = Int64(History.start) - 86_400
            instance.given += account.tickets.count + 1
            let report = try await instance.handler.sweepAll(from: start, deadline: deadline, logger: sweepLogger) { _ in }
            // One bad ticket is counted, and holds nothing back.
            return report.unfinished <= (badTicket == nil ? 0 : 1)
        } catch {
            trace { "  \(error)" }
            await wait(until: elapsed + 60)
            return false
        }
    }
}
