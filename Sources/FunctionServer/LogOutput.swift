import FoundationEssentials
import Timing

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Where log lines go, and how they look there.
public struct LogOutput: Sendable {
    enum Style: Sendable { case json, text }

    let style: Style
    /// Takes one line, its line break included.
    let write: @Sendable (String) -> Void

    /// JSON for Cloud Logging; lines that a person can read where standard error is a terminal.
    public static let standardError = LogOutput(isText: isatty(STDERR_FILENO) == 1, write: writeToStandardError)

    /// Lines for people on standard error, whatever that is.
    public static let text = LogOutput(isText: true, write: writeToStandardError)

    /// - Parameters:
    ///   - isText: lines for people instead of JSON.
    ///   - write: takes one line at a time, its line break included; called from many threads.
    public init(isText: Bool, write: @escaping @Sendable (String) -> Void) {
        style = isText ? .text : .json
        self.write = write
    }

    static func now(fractionDigits: Int) -> String {
        let seconds = Date().timeIntervalSince1970
        let whole = seconds.rounded(.down)
        let nanoseconds = Int32((seconds - whole) * 1_000_000_000)
        return RFC3339(seconds: Int64(whole), nanoseconds: nanoseconds, fractionDigits: fractionDigits).description
    }
}

/// `write(2)` with the whole line at once: lines of several threads do not mix as long as the reader keeps up.
private func writeToStandardError(_ line: String) {
    var line = line
    line.withUTF8 { bytes in
        var rest = UnsafeRawBufferPointer(bytes)
        while !rest.isEmpty {
            let count = write(STDERR_FILENO, rest.baseAddress, rest.count)
            guard count > 0 else { return }
            rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(count))
        }
    }
}
