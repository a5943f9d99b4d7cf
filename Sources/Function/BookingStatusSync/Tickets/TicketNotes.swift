/// An instance's notes about a ticket between two settlements.
struct TicketNotes: Equatable, Sendable {
    /// A write of ours that replaced a person's status. The status is put back before anything
    /// else.
    var owed: TakeBack?
    /// The text of a version whose tag a person has replaced, according to the ticket's audits.
    var verified: String?
}

/// A write of ours that has to be taken back because it replaced a person's status.
struct TakeBack: Equatable, Sendable {
    var written: KeptVersion
    /// `updated_at` of the ticket after that write.
    var stamp: String
    /// The version field's text before the write.
    var formerVersion: String?
    /// The status that a person had set; nil if the person had emptied the field.
    var status: String?
    /// Since when the version is not shown, although the ticket has not changed since our write.
    var missingSince: Duration?
}
