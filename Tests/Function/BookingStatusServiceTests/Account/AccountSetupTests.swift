import BookingStatusSync
import TestSupport
import Testing
import Support
import Zendesk
import ZendeskSimulator

@testable import BookingStatusService

/// A simulated account, and what setup and check do to it.
struct SetupWorld {
    let transport: SimulatorTransport
    let time = ManualTime()
    static let wanted = WantedAccount(tags: try! StatusTags("InStay=booking_1_in_stay,Booked=booking_2_booked"))

    init(fields: [TicketField] = [], _ change: (inout SimulatedZendesk) -> Void = { _ in }) {
        var account = SimulatedZendesk(fields: fields)
        change(&account)
        transport = SimulatorTransport(account, time.source)
    }

    var zendesk: ZendeskClient {
        ZendeskClient(transport: transport, credentials: .accessToken("t"), time: time.source)
    }

    var setup: AccountSetup { AccountSetup(zendesk, Self.wanted, deadline: Deadline(after: .seconds(60), time.source)) }

    var changes: [OutboundRequest] { transport.requests.filter { $0.method != .get } }

    /// The account as setup leaves it.
    static func complete(_ change: (inout SimulatedZendesk) -> Void = { _ in }) -> SetupWorld {
        SetupWorld(
            fields: [
                TicketField(id: 1001, title: "Booking ID"),
                TicketField(
                    id: 1002,
                    title: "Booking status",
                    options: [.init(name: "InStay", tag: "booking_1_in_stay"), .init(name: "Booked", tag: "booking_2_booked")]
                ),
                TicketField(id: 1003, title: "Booking version"),
            ]
        ) { account in
            account.put(
                SimulatedTicket(id: 7, subject: "", createdAt: 1_795_461_300, customFields: [1002: "booking_2_booked"]),
                now: 1_795_461_300
            )
            change(&account)
        }
    }

    func check(ticket: Int? = 7, versionField: Int? = 1003, tags: String = wanted.tags.text, reads: Int = 200, writes: Int = 40) async
        -> [Finding]
    {
        let settings = CheckedSettings(
            bookingStatus: BookingStatusSettings(
                bookingIDField: 1001,
                bookingStatusField: 1002,
                bookingVersionField: versionField,
                tags: [:]
            ),
            wanted: WantedAccount(tags: try! StatusTags(tags)),
            readsPerMinute: reads,
            writesPerMinute: writes
        )
        return await AccountCheck(zendesk, settings, deadline: Deadline(after: .seconds(60), time.source), time: time.source)
            .findings(ticket: ticket)
    }
}

@Suite("Account setup")
struct AccountSetupTests {
    @Test("an empty account gets a view and three fields hidden from guests; a second run changes nothing")
    func twice() async throws {
        let world = SetupWorld()
        let plan = try await world.setup.plan()
        #expect(plan.changes.count == 4)
        #expect(world.changes.isEmpty)
        let fields = try await world.setup.carryOut(plan) { _ in }
        #expect(fields == .init(bookingStatus: 1001, bookingID: 1002, bookingVersion: 1003))
        world.transport.withAccount { account, _ in
            #expect(account.fields.map(\.title) == ["Booking status", "Booking ID", "Booking version"])
            #expect(account.fields[0].options?.map(\.tag) == ["booking_1_in_stay", "booking_2_booked"])
            #expect(account.fields.allSatisfy { !$0.isVisibleInPortal && !$0.isEditableInPortal && $0.defaultTag == nil })
            let view = account.views[0].definition
            #expect(view["title"] == "Guests by booking status")
            #expect(view["output"]?["sort_by"] == "1001")
            #expect(
                view["all"]
                    == [
                        ["field": "status", "operator": "less_than", "value": "solved"],
                        ["field": "custom_fields_1001", "operator": "present"],
                    ]
            )
            #expect(account.unknownRequests.isEmpty)
        }
        let before = world.changes.count
        let second = try await world.setup.plan()
        #expect(second.changes.isEmpty)
        #expect(try await world.setup.carryOut(second) { _ in } == fields)
        #expect(world.changes.count == before)
    }

    @Test("missing options are added; existing options stay")
    func options() async throws {
        let world = SetupWorld(fields: [
            TicketField(
                id: 5,
                title: "Booking status",
                options: [.init(name: "In the house", tag: "booking_1_in_stay"), .init(name: "Old", tag: "booking_9_old")]
            )
        ])
        let plan = try await world.setup.plan()
        _ = try await world.setup.carryOut(plan) { _ in }
        world.transport.withAccount { account, _ in
            #expect(account.fields[0].options?.map(\.tag) == ["booking_1_in_stay", "booking_9_old", "booking_2_booked"])
            #expect(account.fields[0].options?.first?.name == "In the house")
        }
        #expect(try await world.setup.plan().changes.isEmpty)
    }

    @Test(
        "an obstacle that needs a person's decision is reported, and nothing is changed",
        arguments: [
            (TicketField(id: 1, title: "Booking status"), "is of the type text"),
            (TicketField(id: 1, title: "Booking ID", options: []), "is of the type tagger"),
            (TicketField(id: 1, title: "Room", options: [.init(name: "x", tag: "booking_2_booked")]), "belongs to an option of \"Room\""),
        ]
    )
    func obstacles(field: TicketField, what: String) async throws {
        let plan = try await SetupWorld(fields: [field]).setup.plan()
        #expect(plan.obstacles.count == 1 && plan.obstacles[0].contains(what))
    }

    @Test("a deactivated field and two fields with the same title are obstacles")
    func moreObstacles() async throws {
        var field = TicketField(id: 1, title: "Booking ID")
        field.isActive = false
        #expect(try await SetupWorld(fields: [field]).setup.plan().obstacles.count == 1)
        let twins = [TicketField(id: 1, title: "Booking version"), TicketField(id: 2, title: "Booking version")]
        #expect(try await SetupWorld(fields: twins).setup.plan().obstacles.count == 1)
    }

    @Test("a user without administrator rights is told so")
    func forbidden() async throws {
        let world = SetupWorld { $0.user.mayAdminister = false }
        let plan = try await world.setup.plan()
        await #expect {
            try await world.setup.carryOut(plan) { _ in }
        } throws: { error in
            (error as? ZendeskError)?.kind == .misconfigured
        }
    }
}
