import FoundationEssentials
import Support

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// The destination and format of log lines.
public struct LogOutput: Sendable {
    enum Style: Sendable { case json, text }

    let style: Style
    /// Writes one line, including its line break.
    let write: @Sendable (String) -> Void

    /// Standard error: human-readable lines if it is a terminal, else JSON for Cloud Logging.
    ///
    /// A separate thread writes the lines, so a stalled reader blocks no caller. Up to a megabyte
    /// of lines is buffered; further lines are dropped and counted. When the process exits, an
    /// `atexit` handler flushes the buffer for up to a second. When it is killed, the buffer is lost.
    ///
    /// The first use ignores SIGPIPE for the whole process, so that a closed pipe does not end it.
    /// NIO does the same when it opens a socket.
    public static let standardError = LogOutput(isText: isatty(STDERR_FILENO) == 1, write: standardErrorWriter.write)

    /// Human-readable lines on standard error, even if it is not a terminal.
    public static let text = LogOutput(isText: true, write: standardErrorWriter.write)

    /// - Parameters:
    ///   - isText: human-readable lines instead of JSON.
    ///   - write: writes one line, including its line break. Called from many threads.
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
        let text = "log lines dropped: the reader is too slow"
        let fields = #""message":"\#(text)","count":\#(count),"logger":"log""#
        return isatty(STDERR_FILENO) == 1
            ? "\(text) count=\(count)\n" : #"{"severity":"WARNING","time":"\#(LogOutput.now(fractionDigits: 6))",\#(fields)}"# + "\n"
    }
    atexit { standardErrorWriter.flush(within: .seconds(1)) }
    return writer
}()
