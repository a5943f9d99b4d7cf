import Support

/// Caches which ticket fields exist and which tags their drop-downs accept. Zendesk silently drops
/// a value that a field does not accept.
final class KnownFields: Sendable {
    private let known = SharedFetch<[Int: Entry]>([:])
    private let time: TimeSource

    private struct Entry {
        /// Nil for a field that is not a drop-down.
        var tags: Set<String>?
        var readAt: Duration

        func takes(_ tag: String?) -> Bool {
            guard let tag, let tags else { return true }
            return tags.contains(tag)
        }
    }

    /// Minimum time between two lookups of a missing tag.
    private static let patience = Duration.seconds(30)
    /// How long a known tag counts as valid. An administrator may remove it.
    private static let freshness = Duration.seconds(60)

    init(_ time: TimeSource) { self.time = time }

    /// Whether the field exists and accepts the tag.
    ///
    /// - Parameters:
    ///   - tag: nil checks only the field.
    ///   - read: fetches the field's tags; nil if it is not a drop-down.
    func accepts(
        _ tag: String?,
        field: Int,
        before deadline: Deadline,
        read: () async throws(ZendeskError) -> Set<String>?
    ) async throws(ZendeskError) -> Bool {
        let late = ZendeskError(.timeIsUp, "the ticket field \(field) was not read in time")
        return try await known.value(before: deadline, late: late) { known throws(ZendeskError) in
            answer(tag, known[field])
        } fetch: { () async throws(ZendeskError) in
            let entry = Entry(tags: try await read(), readAt: time.now())
            known.withState { $0[field] = entry }
            return entry.takes(tag)
        }
    }

    /// Forgets a field whose options may have changed.
    ///
    /// - Parameter age: entries younger than this are kept.
    func forget(_ field: Int, olderThan age: Duration) {
        let now = time.now()
        known.withState { known in
            if let entry = known[field], now - entry.readAt >= age { known[field] = nil }
        }
    }

    /// Nil if the field has to be read first.
    private func answer(_ tag: String?, _ entry: Entry?) -> Bool? {
        guard let entry else { return nil }
        let age = time.now() - entry.readAt
        if entry.takes(tag) { return age < Self.freshness ? true : nil }
        return age < Self.patience ? false : nil
    }
}
