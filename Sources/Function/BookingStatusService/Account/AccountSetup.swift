import BookingStatusSync
import Support
import Zendesk

/// Creates an account's fields and view, or finds existing ones.
struct AccountSetup: Sendable {
    private let administration: AccountAdministration
    private let wanted: WantedAccount

    /// - Parameter deadline: the deadline of all its calls.
    init(_ zendesk: ZendeskClient, _ wanted: WantedAccount, deadline: Deadline) {
        administration = AccountAdministration(zendesk: zendesk, deadline: deadline)
        self.wanted = wanted
    }

    /// Plans the steps without changing anything.
    func plan() async throws(ZendeskError) -> SetupPlan {
        SetupPlan(wanted, fields: try await administration.ticketFields(), views: try await administration.views())
    }

    /// Carries out a plan without obstacles.
    ///
    /// - Parameter report: called after each step.
    /// - Returns: the ids of the fields, for the function's settings.
    func carryOut(_ plan: SetupPlan, report: (String) -> Void) async throws(ZendeskError) -> Fields {
        var ids: [String: Int] = [:]
        for step in plan.steps {
            switch step {
            case .found(let title, let id):
                ids[title] = id
                report("\(step)")
            case .createDropDown:
                let id = try await administration.createField(
                    NewTicketField(
                        type: "tagger",
                        title: WantedAccount.statusTitle,
                        description: "Where the guest's booking stands. Kept up to date by booking-status-sync.",
                        custom_field_options: wanted.statuses.map { .init(id: nil, name: $0.status, value: $0.tag) }
                    )
                )
                ids[WantedAccount.statusTitle] = id
                report("created \(WantedAccount.statusTitle) (\(id))")
            case .createTextField(let title):
                let description =
                    title == WantedAccount.bookingIDTitle
                    ? "The ID of the guest's booking, exactly as the reservation system has it."
                    : "Written by booking-status-sync, to tell old changes from new ones. Please do not edit."
                let id = try await administration.createField(NewTicketField(type: "text", title: title, description: description))
                ids[title] = id
                report("created \(title) (\(id))")
            case .addOptions(let field, let all, let added):
                try await administration.replaceOptions(of: field, all)
                ids[WantedAccount.statusTitle] = field
                report("added \(added.joined(separator: ", ")) to \(WantedAccount.statusTitle) (\(field))")
            case .createView:
                guard let status = ids[WantedAccount.statusTitle] else { continue }
                report("created view \(WantedAccount.viewTitle) (\(try await administration.createView(NewView(statusField: status))))")
            }
        }
        return Fields(
            bookingStatus: ids[WantedAccount.statusTitle] ?? 0,
            bookingID: ids[WantedAccount.bookingIDTitle] ?? 0,
            bookingVersion: ids[WantedAccount.versionTitle] ?? 0
        )
    }

    struct Fields: Equatable, Sendable {
        var bookingStatus: Int
        var bookingID: Int
        var bookingVersion: Int
    }
}
