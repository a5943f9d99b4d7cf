extension String {
    /// External text for a log or an answer: cut to 256 bytes.
    package var forLog: String { cut(to: 256) }

    /// The text cut to a number of UTF-8 bytes, with an ellipsis if something is missing.
    package func cut(to bytes: Int) -> String {
        guard utf8.count > bytes else { return self }
        var end = utf8.index(utf8.startIndex, offsetBy: bytes)
        while end.samePosition(in: unicodeScalars) == nil { end = utf8.index(before: end) }
        return self[..<end] + "…"
    }
}
