import BookingStatusSync
import Zendesk

/// Derives findings and advice from the facts of an account. All functions are pure.
extension AccountFacts {
    func findings(_ settings: CheckedSettings) -> [Finding] {
        // An account that does not tell the current user answers nothing else either.
        guard case .success = user else { return who() }
        var findings = who()
        findings += indexFindings()
        findings += databaseFindings()
        findings += fieldFindings(settings)
        findings += tagFindings(settings)
        findings += limitFindings(settings)
        findings += safeUpdateFindings()
        findings += triggerFindings(settings)
        findings += formFindings(settings)
        findings += webhookFindings()
        return findings
    }

    private func webhookFindings() -> [Finding] {
        let advice = "run `booking-status-function setup --webhook URL --secret-file FILE --yes`"
        let state: WebhookState
        switch webhook {
        case .success(let known?)?: state = known
        case .success(nil)?: return [.problem("no webhook calls that URL, so new tickets wait for the next sweep", advice)]
        case .failure(let error)?: return [.warning("the webhooks cannot be read: \(error)", "run it as an administrator")]
        case nil: return []
        }
        guard state.webhook.status == "active", state.webhook.subscriptions?.contains(WantedWebhook.ticketCreated) == true else {
            return [.problem("the webhook (\(state.webhook.id)) is inactive, or not subscribed to new tickets", advice)]
        }
        guard let invocations = state.invocations else {
            return [
                .warning(
                    "the webhook (\(state.webhook.id)) is active; its requests cannot be read",
                    "look at its activity in the Admin Center"
                )
            ]
        }
        let failures = invocations.filter { $0.status?.hasPrefix("succe") != true }
        let reasons = Set(failures.map { "\($0.status ?? "no status")\($0.status_code.map { " \($0)" } ?? "")" }).sorted().joined(
            separator: ", "
        )
        if let latest = invocations.first, latest.status?.lowercased().contains("circuit") == true {
            return [.problem("Zendesk holds the webhook's requests back after too many failures (\(reasons))", "see the receiver's log")]
        }
        guard failures.count * 2 <= invocations.count else {
            let count = "\(failures.count) of the webhook's last \(invocations.count) requests failed (\(reasons))"
            return [.problem(count, "401: put the signing secret into Secret Manager and deploy; else see the receiver's log")]
        }
        return [.good("the webhook (\(state.webhook.id)) is active; \(failures.count) of its last \(invocations.count) requests failed")]
    }

    private func who() -> [Finding] {
        switch user {
        case .failure(let error) where error.kind == .unavailable:
            return [.problem("\(error)", "check ZENDESK_URL, and Zendesk's status page")]
        case .failure(let error):
            return [
                .problem(
                    "the credentials are not accepted: \(error)",
                    "if that does not help, check ZENDESK_URL, ZENDESK_CLIENT_ID and ZENDESK_CLIENT_SECRET "
                        + "(a confidential OAuth client, in the Admin Center under Apps and integrations, APIs, OAuth clients)"
                )
            ]
        case .success(let user) where user.id == nil || user.role == nil || user.role == "end-user":
            return [.problem("the token belongs to no agent", "let an agent or an administrator own the OAuth client")]
        case .success(let user):
            var findings: [Finding] = [.good("signed in as \(user.name ?? "?"), \(user.role ?? "?")")]
            if user.suspended == true {
                findings.append(.problem("that user is suspended", "lift the suspension, or let another user own the OAuth client"))
            }
            if let restriction = user.ticket_restriction {
                findings.append(
                    .problem(
                        "that user sees only some tickets (\(restriction)): search omits the others without an error",
                        "give the user access to all tickets, in every group and brand"
                    )
                )
            }
            return findings + scopes()
        }
    }

    private func indexFindings() -> [Finding] {
        switch index {
        case .success(nil)?: [.good("search shows what the list of tickets shows")]
        case .success(let reason?)?:
            [.warning("search cannot be compared with the list of tickets: \(reason)", "run it again in ten minutes")]
        case .failure(let error)? where error.kind == .searchIsBlind:
            [.problem("\(error)", "until it does, no event of a booking without a hit is acknowledged")]
        case .failure(let error)?: [.warning("search cannot be compared with the list of tickets: \(error)", "run it again")]
        case nil: []
        }
    }

    private func databaseFindings() -> [Finding] {
        switch database {
        case .success?: [.good("the sweep can read the bookings")]
        case .failure(let error)? where error.needsPerson:
            [.problem("the sweep cannot read the bookings: \(error)", "check SPANNER_DATABASE, BOOKING_TABLE and the database role")]
        case .failure(let error)?:
            [.warning("whether the sweep can read the bookings is not known: \(error)", "run it on the deployed image")]
        case nil: []
        }
    }

    private func scopes() -> [Finding] {
        guard case .success(let token) = token, let scopes = token.scopes else {
            return [.warning("the token's scopes cannot be looked at", "make sure that the OAuth client may read and write")]
        }
        let missing = ["read", "write"].filter { !scopes.contains($0) }
        guard !missing.isEmpty else { return [.good("the token may read and write")] }
        return [
            .problem(
                "the token lacks the scope \(missing.joined(separator: " and ")) (it has \(scopes.joined(separator: ", ")))",
                "give the OAuth client the scopes read and write; a token with a wrong scope is handed out, and then answered 403"
            )
        ]
    }

    private func fieldFindings(_ settings: CheckedSettings) -> [Finding] {
        let fields: [TicketFieldDefinition]
        switch self.fields {
        case .success(let all): fields = all
        case .failure(let error): return [.problem("the ticket fields cannot be read: \(error)", "give the OAuth client the scope read")]
        }
        let expected =
            [
                ("ZENDESK_BOOKING_ID_FIELD", settings.bookingStatus.bookingIDField, ["text", "regexp"]),
                ("ZENDESK_BOOKING_STATUS_FIELD", settings.bookingStatus.bookingStatusField, ["tagger"]),
            ] + (settings.bookingStatus.bookingVersionField.map { [("ZENDESK_BOOKING_VERSION_FIELD", $0, ["text"])] } ?? [])
        var findings: [Finding] = []
        for (name, id, types) in expected {
            guard let field = fields.first(where: { $0.id == id }) else {
                let advice = "run `booking-status-function setup --yes`, which prints the ids"
                findings.append(.problem("\(name): there is no ticket field \(id)", advice))
                continue
            }
            if !types.contains(field.type) {
                findings.append(.problem("\(name): \"\(field.title)\" is of the type \(field.type), not \(types[0])", "name another field"))
            } else if !field.active {
                findings.append(.problem("\(name): \"\(field.title)\" is deactivated", "activate it in the Admin Center"))
            } else {
                findings.append(.good("\(name): \"\(field.title)\" is active"))
            }
            if field.visible_in_portal == true || field.editable_in_portal == true {
                findings.append(
                    .warning("\(name): guests can see or fill in \"\(field.title)\"", "make it for agents only, in the field's permissions")
                )
            }
        }
        if settings.bookingStatus.bookingVersionField == nil {
            findings.append(
                .warning(
                    "no version is kept: an old change cannot be told from a new one",
                    "set ZENDESK_BOOKING_VERSION_FIELD to a text field"
                )
            )
        }
        return findings
    }

    private func tagFindings(_ settings: CheckedSettings) -> [Finding] {
        guard case .success(let fields) = fields,
            let field = fields.first(where: { $0.id == settings.bookingStatus.bookingStatusField }), field.type == "tagger"
        else { return [] }
        let options = field.custom_field_options ?? []
        var findings: [Finding] = []
        for pair in settings.wanted.statuses where !options.contains(where: { $0.value == pair.tag }) {
            let (status, tag) = (pair.status, pair.tag)
            findings.append(
                .problem(
                    "\"\(field.title)\" has no option with the tag \(tag) (for \(status)): Zendesk would drop it and say nothing",
                    "run `booking-status-function setup --yes`, or add the option"
                )
            )
        }
        for option in options where option.default == true {
            findings.append(
                .problem(
                    "\"\(field.title)\" has a default option "
                        + "(\(option.value)): a new ticket would show it as if somebody had set it, and no change would "
                        + "be written over it",
                    "remove the default"
                )
            )
        }
        for pair in settings.wanted.statuses {
            let (status, tag) = (pair.status, pair.tag)
            for other in fields where other.id != field.id && other.custom_field_options?.contains(where: { $0.value == tag }) == true {
                findings.append(
                    .problem(
                        "the tag \(tag) (for \(status)) is also an option of \"\(other.title)\": setting one changes the other",
                        "rename the tag in one of the two fields, and in BOOKING_STATUS_TAGS"
                    )
                )
            }
        }
        let tags = settings.wanted.statuses.map(\.tag)
        if tags != tags.sorted() {
            findings.append(
                .warning(
                    "views would sort the statuses as \(tags.sorted().joined(separator: ", ")): by tag, "
                        + "not in the order of BOOKING_STATUS_TAGS",
                    "number the tags, as in booking_1_in_stay, booking_2_booked"
                )
            )
        }
        if findings.isEmpty { findings.append(.good("every status has its option, and the tags sort in the wanted order")) }
        return findings
    }

    private func limitFindings(_ settings: CheckedSettings) -> [Finding] {
        var findings: [Finding] = []
        if let limit = requestsPerMinute {
            findings.append(
                settings.readsPerMinute * 2 <= limit
                    ? .good("\(settings.readsPerMinute) reads a minute of the account's \(limit) requests")
                    : .warning(
                        "\(settings.readsPerMinute) reads a minute is more than half of the account's \(limit) requests",
                        "set ZENDESK_READS_PER_MINUTE to at most \(limit / 2), less with more than one instance"
                    )
            )
        } else {
            findings.append(
                .warning("the account does not report its limit", "look it up under the plan, and set ZENDESK_READS_PER_MINUTE below half")
            )
        }
        if let updates = safeUpdate?.updatesPerMinute, settings.writesPerMinute * 2 > updates {
            findings.append(
                .warning(
                    "\(settings.writesPerMinute) writes a minute is more than half of the account's \(updates) ticket updates",
                    "set ZENDESK_WRITES_PER_MINUTE to at most \(updates / 2); two revisions overlap while one is deployed"
                )
            )
        }
        if let skew = clockSkew, abs(skew) > 2 {
            findings.append(
                .warning(
                    "this machine's clock is \(Int(abs(skew).rounded())) s \(skew > 0 ? "ahead of" : "behind") Zendesk's",
                    "let it keep time by NTP: a change from the future is refused"
                )
            )
        }
        return findings
    }

    private func safeUpdateFindings() -> [Finding] {
        switch safeUpdate?.result {
        case .honoured?: [.good("an update with an outdated stamp is refused, and the user may update tickets")]
        case .ignored?:
            [
                .problem(
                    "an update with an outdated stamp was taken: safe_update is not honoured, and a change could be "
                        + "overwritten by an older one",
                    "ask Zendesk's support; do not go live with it"
                )
            ]
        case .failed(let error)?:
            [.problem("the ticket cannot be updated: \(error)", "let the user update tickets, or name an unsolved ticket")]
        case nil:
            [
                .warning(
                    "whether the user may update tickets, and safely, was not tried",
                    "name a ticket to try it on: --ticket ID (nothing on it changes)"
                )
            ]
        }
    }

    private func triggerFindings(_ settings: CheckedSettings) -> [Finding] {
        guard case .success(let triggers) = triggers else {
            return [
                .warning(
                    "the triggers cannot be looked at",
                    "an administrator can: see that none sets the status field or writes to guests on our updates"
                )
            ]
        }
        let field = "custom_fields_\(settings.bookingStatus.bookingStatusField)"
        let user = try? user.get()
        var findings: [Finding] = []
        for trigger in triggers where trigger.active {
            if trigger.actions.contains(where: { $0.field == field }) {
                findings.append(
                    .problem(
                        "the trigger \"\(trigger.title)\" (\(trigger.id)) sets the status field",
                        "remove that action: the function sets the field"
                    )
                )
            } else if trigger.tellsSomebody, trigger.mayFire(onUpdatesBy: user?.id, of: field) {
                findings.append(
                    .warning(
                        "the trigger \"\(trigger.title)\" (\(trigger.id)) may write to somebody on each of our updates",
                        "add the condition: current user is not \(user?.name ?? "the sync user")"
                    )
                )
            }
        }
        return findings.isEmpty ? [.good("no trigger gets in the way (\(triggers.count) looked at)")] : findings
    }

    private func formFindings(_ settings: CheckedSettings) -> [Finding] {
        guard case .success(let forms) = forms else { return [] }
        let field = settings.bookingStatus.bookingStatusField
        var findings: [Finding] = []
        for form in forms where form.active {
            if let fields = form.ticket_field_ids, !fields.isEmpty, !fields.contains(field) {
                findings.append(
                    .warning("agents do not see the status on the form \"\(form.name)\" (\(form.id))", "add the field to the form")
                )
            } else if form.agent_conditions?.contains(where: { $0.child_fields?.contains { $0.id == field } == true }) == true {
                findings.append(
                    .warning(
                        "the form \"\(form.name)\" (\(form.id)) hides the status behind a condition",
                        "take the field out of the form's conditions"
                    )
                )
            }
        }
        return findings
    }
}

extension TriggerDefinition {
    /// Source: Zendesk API reference, "Actions reference".
    fileprivate var tellsSomebody: Bool {
        actions.contains { $0.field.hasPrefix("notification_") || $0.field == "side_conversation" || $0.field.hasPrefix("tweet_requester") }
    }

    /// Whether an update by the user that sets only our fields can meet the conditions.
    ///
    /// Source: Zendesk API reference, "Conditions reference".
    fileprivate func mayFire(onUpdatesBy user: Int?, of field: String) -> Bool {
        !(conditions.all ?? []).contains { condition in
            switch condition.field {
            case "update_type": return condition.value == "Create"
            case "current_user_id":
                return condition.operator == "is_not" ? user.map(String.init) == condition.value : user.map(String.init) != condition.value
            // Our updates have no comment and do not come from a guest.
            case "comment_is_public", "comment_includes_word": return condition.operator != "is_not" && condition.value != "not_relevant"
            case "role": return condition.value == "end_user" && condition.operator != "is_not"
            // A change of something that we do not touch.
            default:
                return condition.field != field
                    && (condition.operator?.hasPrefix("changed") == true || condition.operator?.hasPrefix("value") == true)
            }
        }
    }
}
