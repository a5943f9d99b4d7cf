extension String {
    /// A text from outside as it may stand in a log or an answer: at most 256 bytes of it.
    package var forLog: String { cut(to: 256) }

    /// At most so many bytes of UTF-8, with a sign where something is missing.
    package func cut(to bytes: Int) -> String {
        guard utf8.count > bytes else { return self }
        var end = utf8.index(utf8.startIndex, offsetBy: bytes)
        while end.samePosition(in: unicodeScalars) == nil { end = utf8.index(before: end) }
        return self[..<end] + "…"
    }
}
