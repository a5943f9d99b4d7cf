import BookingStatusSync
import FoundationEssentials
import Support
import Zendesk

/// The commands that a person runs before the first event: `setup` and `check`.
struct AccountCommands {
    /// The value of a variable.
    let environment: @Sendable (String) -> String?
    let connect: SyncService.Connect
    var time = TimeSource.system
    /// Prints one line for that person.
    let print: (String) -> Void

    /// Finds or creates what the function needs in the account.
    ///
    /// - Parameter isMeant: makes the changes instead of only printing them.
    /// - Returns: the exit status.
    /// - Throws: ``ConfigurationFaults``.
    func setUp(isMeant: Bool) async throws(ConfigurationFaults) -> Int32 {
        let settings = try SetupSettings(environment: environment)
        let wanted = WantedAccount(tags: settings.tags)
        let zendesk = ZendeskClient(transport: connect(settings.zendeskURL), credentials: settings.credentials, time: time)
        let setup = AccountSetup(zendesk, wanted, deadline: Deadline(after: .seconds(120), time))
        let plan: SetupPlan
        do throws(ZendeskError) {
            plan = try await setup.plan()
        } catch {
            print("the account cannot be read: \(error)")
            return 1
        }
        guard plan.obstacles.isEmpty else {
            print("fix this first:")
            for obstacle in plan.obstacles { print("  - \(obstacle)") }
            return 1
        }
        let isDryRun = settings.isDryRun
        guard isMeant && !isDryRun || plan.changes.isEmpty else {
            for step in plan.steps { print("  \(step)") }
            print("Nothing was changed. Run again with \(isDryRun ? "DRY_RUN=false and " : "")--yes to apply.")
            return 0
        }
        let fields: AccountSetup.Fields
        do throws(ZendeskError) {
            fields = try await setup.carryOut(plan) { print("  \($0)") }
        } catch {
            print("stopped: \(error). The steps above are done; run it again to continue.")
            return 1
        }
        print(
            """
            The lines for the settings file:
            ZENDESK_BOOKING_ID_FIELD=\(fields.bookingID)
            ZENDESK_BOOKING_STATUS_FIELD=\(fields.bookingStatus)
            ZENDESK_BOOKING_VERSION_FIELD=\(fields.bookingVersion)
            BOOKING_STATUS_TAGS=\(wanted.tags.text)
            """
        )
        return 0
    }

    /// Finds or creates the webhook for new tickets, and writes its signing secret into a file.
    ///
    /// - Parameters:
    ///   - secretFile: the file for Secret Manager. Another secret in it is kept as the second one, so
    ///     that both are accepted while one replaces the other.
    ///   - isMeant: makes the changes instead of only printing them.
    /// - Returns: the exit status.
    /// - Throws: ``ConfigurationFaults``.
    func setUp(_ wanted: WantedWebhook, secretFile: String, isMeant: Bool) async throws(ConfigurationFaults) -> Int32 {
        let settings = try SetupSettings(environment: environment)
        let zendesk = ZendeskClient(transport: connect(settings.zendeskURL), credentials: settings.credentials, time: time)
        let administration = AccountAdministration(zendesk: zendesk, deadline: Deadline(after: .seconds(120), time))
        do throws(ZendeskError) {
            let step = wanted.step(try await administration.webhooks())
            print("  \(step): \(wanted.endpoint), \(wanted.subscriptions.joined(separator: ", "))")
            guard isMeant && !settings.isDryRun else {
                print("Nothing was changed. Run again with \(settings.isDryRun ? "DRY_RUN=false and " : "")--yes to apply.")
                return 0
            }
            let id = try await administration.carryOut(step, for: wanted)
            let secret = try await administration.signingSecret(of: id)
            let former = (try? String(contentsOfFile: secretFile, encoding: .utf8))?.split(whereSeparator: { $0 == "," || $0.isNewline })
                .first
            let isNew = former.map { $0 != secret } ?? false
            let text = former.map { isNew ? "\(secret),\($0)" : secret } ?? secret
            guard FileManager.default.createFile(atPath: secretFile, contents: Data(text.utf8), attributes: [.posixPermissions: 0o600])
            else {
                print("the webhook (\(id)) is there, but \(secretFile) cannot be written: run it again with another file")
                return 1
            }
            let kept = isNew ? ", followed by the former one, which the next run drops" : ""
            print("the webhook (\(id)) is active, and its signing secret is in \(secretFile)\(kept)")
            print("set WEBHOOK_SECRET_FILE in the settings file to it, and run `function/deploy.sh webhook FILE`")
            return 0
        } catch {
            print("stopped: \(error)")
            return 1
        }
    }

    /// Checks the account, and prints each finding with what to do about it.
    ///
    /// - Parameters:
    ///   - tickets: up to two unsolved tickets to try updates on.
    ///   - webhook: the URL of the receiver, if it is in use.
    ///   - isMeant: writes the two tickets' booking version, and restores it.
    /// - Returns: the exit status.
    /// - Throws: ``ConfigurationFaults``.
    func check(tickets: [Int], webhook: String? = nil, isMeant: Bool) async throws(ConfigurationFaults) -> Int32 {
        let settings = try ServiceSettings(environment: environment)
        let checked = CheckedSettings(
            bookingStatus: settings.bookingStatus,
            wanted: WantedAccount(tags: try SetupSettings(environment: environment).tags),
            readsPerMinute: settings.readsPerMinute,
            writesPerMinute: settings.writesPerMinute
        )
        let zendesk = ZendeskClient(transport: connect(settings.zendeskURL), credentials: settings.zendeskCredentials, time: time)
        let deadline = Deadline(after: .seconds(240), time)
        let bookings = settings.spanner.map { SpannerDatabase($0, bookings: settings.bookingStatus, time: time, connect: connect) }
        let check = AccountCheck(zendesk, checked, bookings: bookings, deadline: deadline, time: time)
        var findings = await check.findings(ticket: tickets.first, webhook: webhook)
        if tickets.count == 2 {
            let trial = SharedCallsTrial(zendesk, checked, tickets: (tickets[0], tickets[1]), deadline: deadline, time: time)
            if settings.bookingStatus.dryRun {
                findings.append(.warning("jobs were not tried: DRY_RUN is set, so nothing is written", "Run again with DRY_RUN=false."))
            } else if isMeant {
                findings += await trial.findings()
            } else {
                print("The trial of shared calls would")
                for step in trial.plan { print("  \(step)") }
                print("Nothing was written. Run again with --yes to try it.")
            }
        }
        for finding in findings {
            let severity = finding.severity.rawValue
            print("\(severity)\(String(repeating: " ", count: max(1, 9 - severity.count)))\(finding.text)")
            if let advice = finding.advice { print("           \(advice)") }
        }
        return findings.contains { $0.severity == .problem } ? 1 : 0
    }
}
