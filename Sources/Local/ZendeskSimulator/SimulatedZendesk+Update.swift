import FoundationEssentials
import Support

extension SimulatedZendesk {
    private struct UpdateBody: Decodable {
        struct Ticket: Decodable {
            struct CustomField: Decodable { let id: Int, value: JSON? }
            let custom_fields: [CustomField]?
            let status: String?
            let subject: String?
            let safe_update: Bool?
            let updated_stamp: String?
            let metadata: JSON?
        }
        let ticket: Ticket
    }

    mutating func update(_ id: Int, _ body: Data, now: Double) -> Response {
        var response = tryToUpdate(id, body, now: now)
        let name = form.spellsLimitsAsIn2023 ? "zendesk-rate-limit-tickets-update" : "zendesk-ratelimit-tickets-update"
        response.headers[name] = updateLimitHeader(now)
        return response
    }

    /// - Parameter isInJob: true for an update in a job, which does not use the account's limit of
    ///   ticket updates.
    mutating func tryToUpdate(_ id: Int, _ body: Data, now: Double, isInJob: Bool = false) -> Response {
        guard let ticket = tickets[id] else { return notFound }
        if let hidden = hidden(id) { return hidden }
        guard let change = try? JSONDecoder().decode(UpdateBody.self, from: body).ticket else {
            return malformedTicket
        }
        guard isInJob || updateWindow.take(limit: limits.ticketUpdates, now: now) else {
            return limited(
                after: updateWindow.resets(now: now),
                [
                    "error": "APIRateLimitExceeded",
                    "description": "Number of allowed API requests per minute exceeded",
                ]
            )
        }
        if ticket.status == "closed" {
            return Response(
                422,
                [
                    "error": "RecordInvalid", "description": "Record validation errors",
                    "details": ["status": [["description": "Status: closed prevents ticket update"]]],
                ]
            )
        }
        var window = ticketWindows[id] ?? RateWindow(length: 600)
        defer { ticketWindows[id] = window }
        guard window.take(limit: limitsOfTickets[id] ?? limits.updatesOfOneTicket, now: now) else {
            var response = Response(
                429,
                text: "Rate limit for ticket updates exceeded, please wait before updating this ticket again"
            )
            response.headers["retry-after"] = String(window.resets(now: now))
            response.headers["zendesk-ratelimit-per-ticket-updates"] =
                "total=\(limits.updatesOfOneTicket); remaining=0; resets=\(window.resets(now: now))"
            return response
        }
        if !isInJob, chance(faults.conflicts) { return Response(409, ["error": "DatabaseConflict", "description": "Database collision"]) }
        // Any value of safe_update makes the update safe. The stamp has whole seconds: a change
        // within the stamp's second goes unnoticed.
        if change.safe_update != nil, let stamp = change.updated_stamp.flatMap({ RFC3339($0) }),
            Int64(ticket.updatedAt.rounded(.down)) > stamp.seconds
        {
            return Response(
                409,
                [
                    "error": "UpdateConflict",
                    "description": .string(
                        "Safe Update prevented the update due to outdated ticket data. "
                            + "Please fetch the latest ticket data and try again."
                    ),
                ]
            )
        }
        return Response(200, apply(change, to: ticket, now: now))
    }

    var malformedTicket: Response {
        Response(400, ["error": ["title": "Invalid attribute", "message": "You passed an invalid value for the ticket attribute."]])
    }

    private func updateLimitHeader(_ now: Double) -> String {
        "total=\(limits.ticketUpdates); remaining=\(limits.ticketUpdates - updateWindow.count); resets=\(updateWindow.resets(now: now))"
    }

    private mutating func apply(_ change: UpdateBody.Ticket, to ticket: SimulatedTicket, now: Double) -> JSON {
        var updated = ticket
        var changes: [SimulatedTicket.Change] = []
        for field in change.custom_fields ?? [] {
            let value = field.value ?? .null
            guard let definition = fields.first(where: { $0.id == field.id }), definition.isActive, definition.accepts(value) else {
                continue
            }
            let new = value == "" ? .null : value
            let old = ticket.customFields[field.id] ?? .null
            guard new != old else { continue }
            updated[field.id] = new
            changes.append(.init(field: String(field.id), from: old, to: new))
        }
        if let status = change.status, status != ticket.status {
            updated.status = status
            changes.append(.init(field: "status", from: .string(ticket.status), to: .string(status)))
        }
        if let subject = change.subject, subject != ticket.subject {
            updated.subject = subject
            changes.append(.init(field: "subject", from: .string(ticket.subject), to: .string(subject)))
        }
        // Only an update that changes something creates an event, and only an event moves
        // updated_at.
        if !changes.isEmpty {
            updated.updatedAt = max(now, ticket.updatedAt)
            let audit = SimulatedTicket.Audit(at: now, changes: changes, metadata: change.metadata ?? .null)
            updated.audits.append(audit)
            put(updated, now: now)
            announceChanges(of: updated, since: ticket, now: now)
            onAudit?(ticket.id, audit)
        }
        // The answer to an update without changes contains an older update's audit.
        return ["ticket": updated.json(fields, form), "audit": updated.auditJSON(updated.audits.count - 1, form)]
    }
}
