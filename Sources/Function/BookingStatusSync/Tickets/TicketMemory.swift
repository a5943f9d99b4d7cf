import Synchronization

/// Keeps an instance's notes about tickets. There are few, and a lost one costs one call.
final class TicketMemory: Sendable {
    private let notes = Mutex<[Int: TicketNotes]>([:])
    private static let maximumNotes = 10_000

    func notes(of ticket: Int) -> TicketNotes { notes.withLock { $0[ticket] ?? TicketNotes() } }

    func keep(_ note: TicketNotes, of ticket: Int) {
        notes.withLock { notes in
            notes[ticket] = note == TicketNotes() ? nil : note
            if notes.count > Self.maximumNotes { notes = notes.filter { $0.value.owed != nil } }
        }
    }
}
