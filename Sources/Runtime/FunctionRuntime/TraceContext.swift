public import HTTPTypes
import Support

/// The trace that a request belongs to. Cloud Logging shows all log lines of a trace together.
///
/// Sources: W3C Trace Context, section 3.2; Cloud Trace's documentation, "Trace context",
/// `X-Cloud-Trace-Context`.
public struct TraceContext: Equatable, Sendable {
    /// 32 hexadecimal digits.
    public var traceID: String
    /// 16 hexadecimal digits; nil if the header names no span.
    public var spanID: String?
    /// Whether the caller records the trace.
    public var isSampled: Bool

    public init(traceID: String, spanID: String? = nil, isSampled: Bool) {
        self.traceID = traceID
        self.spanID = spanID
        self.isSampled = isSampled
    }

    /// Reads `traceparent` if it is present and valid, else `X-Cloud-Trace-Context`.
    public init?(_ headers: HTTPFields) {
        guard
            let context = headers.value(.traceparent).flatMap({ TraceContext(traceparent: $0) })
                ?? headers.value(.cloudTraceContext).flatMap({ TraceContext(cloudTraceContext: $0) })
        else { return nil }
        self = context
    }

    private init?(traceparent text: String) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count >= 4, parts[0].isHexadecimal(2), parts[0] != "ff", parts[3].isHexadecimal(2) else { return nil }
        guard parts[1].isHexadecimal(32), parts[1].contains(where: { $0 != "0" }) else { return nil }
        guard parts[2].isHexadecimal(16), parts[2].contains(where: { $0 != "0" }) else { return nil }
        self.init(traceID: String(parts[1]), spanID: String(parts[2]), isSampled: UInt8(parts[3], radix: 16)! & 1 == 1)
    }

    /// Reads `TRACE/SPAN;o=1`, with the span as a decimal number.
    private init?(cloudTraceContext text: String) {
        let parts = text.split(separator: ";", maxSplits: 1)
        guard let ids = parts.first?.split(separator: "/", maxSplits: 1), let trace = ids.first, trace.isHexadecimal(32) else { return nil }
        let spanID = ids.dropFirst().first.flatMap { UInt64($0) }.map { number in
            let digits = String(number, radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }
        self.init(traceID: trace.lowercased(), spanID: spanID, isSampled: parts.dropFirst().first == "o=1")
    }
}

extension Substring {
    fileprivate func isHexadecimal(_ count: Int) -> Bool {
        utf8.count == count && allSatisfy { $0.isASCII && $0.isHexDigit }
    }
}

extension HTTPField.Name {
    static let traceparent = HTTPField.Name("traceparent")!
    fileprivate static let cloudTraceContext = HTTPField.Name("x-cloud-trace-context")!
}
