/// What we use of a ticket.
///
/// Source: Zendesk API reference, "Tickets", JSON format.
public struct Ticket: Equatable, Sendable {
    public var id: Int
    /// `new`, `open`, `pending`, `hold`, `solved` or `closed`.
    public var status: String
    /// `updated_at` exactly as Zendesk wrote it; it has a resolution of one second.
    public var updatedStamp: String
    /// The values of the custom fields that are not empty, by field id.
    public var customFields: [Int: FieldValue]

    public init(id: Int, status: String, updatedStamp: String, customFields: [Int: FieldValue] = [:]) {
        self.id = id
        self.status = status
        self.updatedStamp = updatedStamp
        self.customFields = customFields
    }

    /// Closed tickets cannot be changed any more.
    public var isClosed: Bool { status == "closed" }

    /// The text of a custom field: a drop-down's tag, a text field's text; nil where it is empty.
    public func text(of field: Int) -> String? {
        switch customFields[field] {
        case .text(let text): text
        case .number(let number): number
        case .flag, .list, nil: nil
        }
    }
}

/// The value of a custom field.
public enum FieldValue: Equatable, Sendable {
    case text(String)
    /// A number's digits.
    case number(String)
    case flag(Bool)
    case list([String])
}

/// A ticket as it was at a moment of Zendesk's clock.
public struct TicketReading: Equatable, Sendable {
    public var ticket: Ticket
    /// The `Date` of the answer, in whole seconds since 1970; nil where the answer had none.
    public var readAt: Int64?

    public init(ticket: Ticket, readAt: Int64?) {
        self.ticket = ticket
        self.readAt = readAt
    }
}
