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
    ///
    /// Lines are written by a thread of their own: a reader that stops holds nobody up. A megabyte
    /// of lines may wait; what is logged beyond that is dropped and counted. What waits when the
    /// process exits is written before, within a second; what waits when it is killed is lost.
    public static let standardError = LogOutput(isText: isatty(STDERR_FILENO) == 1, write: standardErrorWriter.write)

    /// Lines for people on standard error, whatever that is.
    public static let text = LogOutput(isText: true, write: standardErrorWriter.write)

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

private let standardErrorWriter: LogWriter = {
    let writer = LogWriter(descriptor: STDERR_FILENO) { count in
        let text = "log lines dropped: nobody reads them fast enough"
        let fields = #""message":"\#(text)","count":\#(count),"logger":"log""#
        return isatty(STDERR_FILENO) == 1
            ? "\(text) count=\(count)\n" : #"{"severity":"WARNING","time":"\#(LogOutput.now(fractionDigits: 6))",\#(fields)}"# + "\n"
    }
    atexit { standardErrorWriter.flush(within: .seconds(1)) }
    return writer
}()
