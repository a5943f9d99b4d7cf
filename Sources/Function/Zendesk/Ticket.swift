/// The parts of a ticket that the client reads.
///
/// Source: Zendesk API reference, "Tickets", JSON format.
package struct Ticket: Equatable, Sendable {
    package var id: Int
    /// `new`, `open`, `pending`, `hold`, `solved` or `closed`.
    package var status: String
    /// `updated_at` exactly as Zendesk wrote it; it has a resolution of one second.
    package var updatedStamp: String
    /// The values of the custom fields that are not empty, by field id.
    package var customFields: [Int: FieldValue]

    package init(id: Int, status: String, updatedStamp: String, customFields: [Int: FieldValue] = [:]) {
        self.id = id
        self.status = status
        self.updatedStamp = updatedStamp
        self.customFields = customFields
    }

    /// Closed tickets can no longer be changed.
    package var isClosed: Bool { status == "closed" }

    /// The text of a custom field: a drop-down's tag or a text field's text; nil if it is empty.
    package func text(of field: Int) -> String? {
        switch customFields[field] {
        case .text(let text): text
        case .number(let number): number
        case .flag, .list, nil: nil
        }
    }
}

/// The value of a custom field.
package enum FieldValue: Equatable, Sendable {
    case text(String)
    /// A number's digits.
    case number(String)
    case flag(Bool)
    case list([String])
}

/// A ticket as it was at one moment of Zendesk's clock.
package struct TicketReading: Equatable, Sendable {
    package var ticket: Ticket
    /// The `Date` of the answer, in whole seconds since 1970; nil where the answer had none.
    package var readAt: Int64?

    package init(ticket: Ticket, readAt: Int64?) {
        self.ticket = ticket
        self.readAt = readAt
    }
}
