public import Logging

/// Writes log lines as Cloud Logging reads them from a container: one JSON object a line.
///
/// Source: Cloud Logging's documentation, "Structured logging", "Special JSON fields".
public struct CloudLogHandler: LogHandler {
    /// Metadata that Cloud Logging knows by a name of its own, and that lines for people leave out.
    static let traceKey = "logging.googleapis.com/trace"
    static let spanKey = "logging.googleapis.com/spanId"
    static let traceSampledKey = "logging.googleapis.com/trace_sampled"

    public var logLevel: Logger.Level = .info
    public var metadata: Logger.Metadata = [:]
    public var metadataProvider: Logger.MetadataProvider?
    private let label: String
    private let output: LogOutput

    /// - Parameters:
    ///   - label: the logger's label; it comes along as `logger`.
    ///   - output: where the lines go.
    public init(label: String, output: LogOutput = .standardError) {
        self.label = label
        self.output = output
    }

    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    public func log(event: LogEvent) {
        var merged = metadata
        if let provided = metadataProvider?.get() { merged.merge(provided) { _, new in new } }
        if let own = event.metadata { merged.merge(own) { _, new in new } }
        if let error = event.error { merged["error"] = "\(error)" }
        switch output.style {
        case .json: output.write(json(event, merged))
        case .text: output.write(text(event, merged))
        }
    }

    private func json(_ event: LogEvent, _ metadata: Logger.Metadata) -> String {
        var line = "{\"severity\":\"\(event.level.severity)\",\"time\":\"\(LogOutput.now(fractionDigits: 6))\",\"message\":"
        line.appendJSON(event.message.description)
        line += ",\"logger\":"
        line.appendJSON(label)
        for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
            line += ","
            line.appendJSON(key)
            line += ":"
            // The one member that has to be a boolean.
            if key == Self.traceSampledKey { line += "\(value)" } else { line.appendJSON(value) }
        }
        // Cloud Logging shows all lines of one execution by this label.
        if let execution = metadata["execution_id"] {
            line += ",\"logging.googleapis.com/labels\":"
            line.appendJSON(.dictionary(["execution_id": execution]))
        }
        if event.level >= .warning {
            line += ",\"logging.googleapis.com/sourceLocation\":{\"file\":"
            line.appendJSON(event.file)
            line += ",\"line\":\"\(event.line)\",\"function\":"
            line.appendJSON(event.function)
            line += "}"
        }
        return line + "}\n"
    }

    private func text(_ event: LogEvent, _ metadata: Logger.Metadata) -> String {
        var line = "\(LogOutput.now(fractionDigits: 3).dropFirst(11).dropLast()) \(event.level.severity.lowercased()) \(event.message)"
        for (key, value) in metadata.sorted(by: { $0.key < $1.key }) where !key.contains("/") {
            line += " \(key)=\(value)"
        }
        return line + "\n"
    }
}

extension Logger.Level {
    fileprivate var severity: String {
        switch self {
        case .trace, .debug: "DEBUG"
        case .info: "INFO"
        case .notice: "NOTICE"
        case .warning: "WARNING"
        case .error: "ERROR"
        case .critical: "CRITICAL"
        }
    }
}

extension String {
    fileprivate mutating func appendJSON(_ value: Logger.MetadataValue) {
        switch value {
        case .string(let text): appendJSON(text)
        // Filters and metrics compare a number only if it is one.
        case .stringConvertible(let value as any FixedWidthInteger): self += "\(value)"
        case .stringConvertible(let value): appendJSON(value.description)
        case .array(let values):
            self += "["
            for (index, value) in values.enumerated() {
                if index > 0 { self += "," }
                appendJSON(value)
            }
            self += "]"
        case .dictionary(let members):
            self += "{"
            for (index, (key, value)) in members.sorted(by: { $0.key < $1.key }).enumerated() {
                if index > 0 { self += "," }
                appendJSON(key)
                self += ":"
                appendJSON(value)
            }
            self += "}"
        }
    }

    fileprivate mutating func appendJSON(_ text: String) {
        self += "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": self += "\\\""
            case "\\": self += "\\\\"
            case "\n": self += "\\n"
            case ..<" ":
                let digits = String(scalar.value, radix: 16)
                self += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: unicodeScalars.append(scalar)
            }
        }
        self += "\""
    }
}
