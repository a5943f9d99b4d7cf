import FoundationEssentials

/// The topic that a push URL names, in its path or in the query that Google's frameworks use:
/// `?__GCP_CloudEventsMode=CUSTOM_PUBSUB_TOPIC`.
struct Topic: Equatable {
    /// `projects/P/topics/T`, or nil if the URL names none.
    var name: String?

    init(name: String? = nil) { self.name = name }

    init(path: String?) {
        guard let path, path != "/" else { return }
        let parts = path.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        let query = parts.count == 1 ? nil : URLComponents(string: "?\(parts[1])")
        let mode = query?.queryItems?.first { $0.name == "__GCP_CloudEventsMode" }?.value ?? ""
        let prefix = "CUSTOM_PUBSUB_"
        name =
            (mode.hasPrefix(prefix) ? Self.topic(in: String(mode.dropFirst(prefix.count))) : nil)
            ?? CloudEvent.percentDecoded(String(parts[0])).flatMap { Self.topic(in: $0) }
    }

    /// Finds `projects/P/topics/T` anywhere in a path.
    private static func topic(in path: String) -> String? {
        let parts = path.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).map { String(Substring($0)) }
        guard let start = parts.firstIndex(of: "projects"), parts.count - start >= 4, parts[start + 2] == "topics" else { return nil }
        let (project, name) = (parts[start + 1], parts[start + 3])
        return project.isEmpty || name.isEmpty ? nil : "projects/\(project)/topics/\(name)"
    }
}
