import TestSupport
import Support
import Testing
import Zendesk
import ZendeskSimulator

@testable import BookingStatusService

@Suite("Account check")
struct AccountCheckTests {
    @Test("an account fresh from setup passes every check and is not changed")
    func right() async {
        let world = SetupWorld.complete()
        let before = world.transport.withAccount { account, _ in account.tickets }
        let findings = await world.check()
        #expect(findings.filter { $0.severity != .good } == [])
        #expect(findings.count >= 8)
        world.transport.withAccount { account, _ in
            #expect(account.tickets == before)
            #expect(account.unknownRequests.isEmpty)
        }
    }

    struct Case: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let severity: Finding.Severity
        let text: String
        let change: @Sendable (inout SimulatedZendesk) -> Void

        init(
            _ testDescription: String,
            _ severity: Finding.Severity,
            _ text: String,
            _ change: @escaping @Sendable (inout SimulatedZendesk) -> Void
        ) {
            self.testDescription = testDescription
            self.severity = severity
            self.text = text
            self.change = change
        }
    }

    private static func trigger(_ conditions: JSON, _ action: String) -> JSON {
        [
            "id": 3, "title": "Tell the guest", "active": true, "conditions": ["all": conditions, "any": []],
            "actions": [["field": .string(action), "value": "x"]],
        ]
    }

    @Test(
        "every possible problem is found, with advice",
        arguments: [
            Case("credentials", .problem, "credentials are not accepted") { $0.accessToken = "another" },
            Case("an end user", .problem, "belongs to no agent") { $0.user.role = "end-user" },
            Case("a suspended user", .problem, "suspended") { $0.user.isSuspended = true },
            Case("a restricted user", .problem, "sees only some tickets (groups)") { $0.user.ticketRestriction = "groups" },
            Case("no write scope", .problem, "lacks the scope write") { $0.user.scopes = ["read"] },
            Case("a user who may not update", .problem, "cannot be updated") { $0.user.mayUpdateTickets = false },
            Case("no administrator", .warning, "triggers cannot be looked at") { $0.user.mayAdminister = false },
            Case("a missing field", .problem, "ZENDESK_BOOKING_VERSION_FIELD: there is no ticket field 1003") { $0.fields.removeLast() },
            Case("a deactivated field", .problem, "ZENDESK_BOOKING_ID_FIELD: \"Booking ID\" is deactivated") {
                $0.fields[0].isActive = false
            },
            Case("a field of another type", .problem, "is of the type text, not tagger") { $0.fields[1].options = nil },
            Case("a field that guests see", .warning, "guests can see or fill in") { $0.fields[2].isVisibleInPortal = true },
            Case("a missing option", .problem, "no option with the tag booking_2_booked (for Booked)") {
                $0.fields[1].options?.removeLast()
            },
            Case("a default option", .problem, "default option (booking_1_in_stay)") { $0.fields[1].defaultTag = "booking_1_in_stay" },
            Case("a tag of two fields", .problem, "is also an option of \"Room\"") {
                $0.fields.append(TicketField(id: 9, title: "Room", options: [.init(name: "x", tag: "booking_1_in_stay")]))
            },
            Case("few requests", .warning, "is more than half of the account's 300 requests") { $0.limits.requests = 300 },
            Case("a sandbox", .warning, "40 writes a minute is more than half of the account's 20 ticket updates") {
                $0.limits.ticketUpdates = 20
            },
            Case("a closed ticket", .problem, "cannot be updated: Zendesk rejects the request (422, RecordInvalid: status)") { account in
                account.edit(7, now: 0) { $0.status = "closed" }
            },
            Case("a trigger that sets the field", .problem, "sets the status field") {
                $0.triggers = [trigger([], "custom_fields_1002")]
            },
            Case("a trigger that writes to guests", .warning, "may write to somebody on each of our updates") {
                $0.triggers = [trigger([["field": "update_type", "operator": "is", "value": "Change"]], "notification_user")]
            },
            Case("a form without the field", .warning, "do not see the status on the form \"Default\"") {
                $0.ticketForms = [["id": 1, "name": "Default", "active": true, "ticket_field_ids": [1001], "agent_conditions": []]]
            },
            Case("a form that hides the field", .warning, "hides the status behind a condition") {
                $0.ticketForms = [
                    [
                        "id": 1, "name": "Default", "active": true, "ticket_field_ids": [1001, 1002],
                        "agent_conditions": [["parent_field_id": 1001, "value": "x", "child_fields": [["id": 1002]]]],
                    ]
                ]
            },
        ]
    )
    func wrong(example: Case) async {
        let findings = await SetupWorld.complete(example.change).check()
        let found = findings.filter { $0.severity == example.severity && $0.text.contains(example.text) }
        #expect(found.count == 1, "\(findings.map { "\($0.severity) \($0.text)" })")
        #expect(found.allSatisfy { $0.advice?.isEmpty == false })
    }

    @Test(
        "a trigger that cannot fire on our updates is not reported",
        arguments: [
            ["field": "update_type", "operator": "is", "value": "Create"],
            ["field": "current_user_id", "operator": "is_not", "value": "900"],
            ["field": "comment_is_public", "operator": "is", "value": "true"], ["field": "status", "operator": "changed", "value": nil],
            ["field": "status", "operator": "value_previous", "value": "new"],
        ] as [JSON]
    )
    func harmlessTrigger(condition: JSON) async {
        let world = SetupWorld.complete { $0.triggers = [Self.trigger([condition], "notification_user")] }
        #expect(await world.check().allSatisfy { $0.severity == .good })
    }

    @Test("tags that do not sort in the wanted order are found")
    func order() async {
        let world = SetupWorld.complete()
        let findings = await world.check(tags: "Booked=booking_2_booked,InStay=booking_1_in_stay")
        #expect(findings.contains { $0.severity == .warning && $0.text.contains("booking_1_in_stay, booking_2_booked") })
    }

    @Test("with neither a ticket nor a version field, the findings say what was not checked")
    func lessToCheck() async {
        let findings = await SetupWorld.complete().check(ticket: nil, versionField: nil)
        #expect(findings.filter { $0.severity == .warning }.count == 2)
        #expect(findings.allSatisfy { $0.severity != .problem })
    }

    @Test("an account that accepts an update with an outdated stamp is a problem")
    func unsafe() async {
        let world = SetupWorld.complete()
        world.transport.before { request, _ in
            guard request.method == .put else { return nil }
            return OutboundResponse(status: 200, body: .init("{}".utf8))
        }
        #expect(await world.check().contains { $0.severity == .problem && $0.text.contains("safe_update is not honoured") })
    }

    @Test("a clock that is fast or slow is found", arguments: [-60, 60])
    func clock(offset: Int) async {
        let world = SetupWorld.complete()
        world.transport.before { request, _ in
            guard request.target.hasPrefix("/api/v2/users/me") else { return nil }
            let date = offset > 0 ? "Fri, 01 Jan 2100 00:00:00 GMT" : "Thu, 01 Jan 1970 00:00:00 GMT"
            return OutboundResponse(
                status: 200,
                headers: ["date": date, "x-rate-limit": "700"],
                body: .init(#"{"user":{"id":900,"role":"agent"}}"#.utf8)
            )
        }
        let findings = await world.check()
        #expect(findings.contains { $0.text.contains(offset > 0 ? "behind Zendesk's" : "ahead of Zendesk's") })
    }
}
