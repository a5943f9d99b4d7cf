import Synchronization

/// What an instance remembers of a ticket between two settlements.
struct TicketNotes: Equatable, Sendable {
    /// A write of ours that could not be taken back. It is put right before the ticket's version is
    /// believed.
    var owed: TakeBack?
    /// The text of a version that lacks its tag because a person replaced that, as the ticket's
    /// audits say.
    var verified: String?
}

/// A write of ours that has to be taken back.
struct TakeBack: Equatable, Sendable {
    var written: KeptVersion
    /// `updated_at` of the ticket with that write on it.
    var stamp: String
    /// The version field's text before the write.
    var formerVersion: String?
    /// What a person had set, and our tag replaced; nil where the status field is to stay as it is.
    var status: String??
    /// The change that was written.
    var change: Int
    /// Since when the version is not shown, though the ticket is as we left it.
    var missingSince: Duration?
}

/// The notes of an instance. They are few, and one that is lost costs a call.
final class TicketMemory: Sendable {
    private let notes = Mutex<[Int: TicketNotes]>([:])
    private let written = Mutex<Duration?>(nil)
    private static let maximumNotes = 10_000

    /// When an update worked; nil if none has.
    var lastWrite: Duration? {
        get { written.withLock { $0 } }
        set { written.withLock { $0 = newValue } }
    }

    func notes(of ticket: Int) -> TicketNotes { notes.withLock { $0[ticket] ?? TicketNotes() } }

    func keep(_ note: TicketNotes, of ticket: Int) {
        notes.withLock { notes in
            notes[ticket] = note == TicketNotes() ? nil : note
            if notes.count > Self.maximumNotes { notes = notes.filter { $0.value.owed != nil } }
        }
    }
}
