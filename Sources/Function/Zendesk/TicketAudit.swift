/// One entry of a ticket's history: what one update changed.
package struct TicketAudit: Equatable, Sendable {
    /// The update's metadata.
    package var metadata: [String: String]
    /// The values that it replaced, by the field's id; nil where the field was empty. System fields
    /// are left out.
    package var replaced: [Int: String?]
    /// The values that it set, by the field's id; nil where it emptied the field.
    package var set: [Int: String?]

    package init(metadata: [String: String], replaced: [Int: String?], set: [Int: String?] = [:]) {
        self.metadata = metadata
        self.replaced = replaced
        self.set = set
    }
}
