import FoundationEssentials
import Support

/// The members of a webhook's body that matter here.
///
/// Source: Zendesk API reference, "Ticket events".
struct TicketEvent: Equatable {
    var type: String
    /// The ticket's id, which Zendesk writes as text. Nil if it is not a ticket's.
    var ticket: Int?
    /// The custom field that has changed.
    var changedField: String?

    static let ticketCreated = "zen:event-type:ticket.created"
    static let customFieldChanged = "zen:event-type:ticket.custom_field_changed"

    var isNewTicket: Bool { type == Self.ticketCreated }

    init(_ json: Data) throws(JSONFault) {
        guard let root = JSONElement(json) else { throw JSONFault("the body is not JSON") }
        let event = try root.object()
        type = try event.require("type").requireString()
        guard [Self.ticketCreated, Self.customFieldChanged].contains(type) else { return }
        ticket = try event["detail"]?.object()["id"]?.attribute().flatMap { Int($0) }.flatMap { $0 > 0 ? $0 : nil }
        guard type == Self.customFieldChanged else { return }
        changedField = try event["event"]?.object()["custom_field"]?.object()["id"]?.attribute()
    }
}
