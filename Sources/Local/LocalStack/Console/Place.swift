/// An event's current stage, as the page shows it. Nobody sees one before it is published.
enum Place: Int, CaseIterable {
    case spanner, stream, pubsub, function, zendesk, done

    init(_ entry: Journal.Entry, isDead: Bool) {
        if entry.isAcknowledged || entry.isDirect || entry.isReplayed || isDead {
            self = .done
        } else if !entry.writes.isEmpty || entry.outcomes.contains(where: { $0.ticket != nil }) {
            self = .zendesk
        } else if let last = entry.deliveries.last, last.answer == nil {
            self = .function
        } else {
            self = .pubsub
        }
    }
}
