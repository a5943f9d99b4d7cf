import Support
public import Logging

/// Writes log lines as Cloud Logging reads them from a container: one JSON object per line.
///
/// Cuts texts at 1,024 bytes, and further if the line would be longer than 16 KB. Escapes control
/// characters in human-readable lines.
///
/// Source: Cloud Logging's documentation, "Structured logging", "Special JSON fields".
public struct CloudLogHandler: LogHandler {
    /// Metadata keys with a special meaning to Cloud Logging. Human-readable lines omit them.
    static let traceKey = "logging.googleapis.com/trace"
    static let spanKey = "logging.googleapis.com/spanId"
    static let traceSampledKey = "logging.googleapis.com/trace_sampled"

    /// The maximum length of a line, in bytes. Cloud Logging takes 256 KB, but people read these
    /// lines.
    static let maximumLineBytes = 16 << 10
    /// The maximum length of a text in a line, in bytes; the rest is cut.
    static let maximumValueBytes = 1024

    public var logLevel: Logger.Level = .info
    public var metadata: Logger.Metadata = [:]
    public var metadataProvider: Logger.MetadataProvider?
    private let label: String
    private let output: LogOutput

    /// - Parameters:
    ///   - label: the logger's label, written as `logger`.
    ///   - output: the destination of the lines.
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
        output.write(line(event, merged, Self.maximumValueBytes))
    }

    /// The line, with values cut until it fits the maximum length.
    private func line(_ event: LogEvent, _ metadata: Logger.Metadata, _ valueBytes: Int) -> String {
        let line =
            switch output.style {
            case .json: json(event, metadata, valueBytes)
            case .text: text(event, metadata, valueBytes)
            }
        guard line.utf8.count > Self.maximumLineBytes else { return line }
        guard valueBytes > 16 else { return self.line(event, ["metadata": "omitted: too large"], Self.maximumValueBytes) }
        return self.line(event, metadata, valueBytes / 4)
    }

    private func json(_ event: LogEvent, _ metadata: Logger.Metadata, _ valueBytes: Int) -> String {
        var line = "{\"severity\":\"\(event.level.severity)\",\"time\":\"\(LogOutput.now(fractionDigits: 6))\",\"message\":"
        line.appendJSON(event.message.description, valueBytes)
        line += ",\"logger\":"
        line.appendJSON(label, valueBytes)
        for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
            line += ","
            line.appendJSON(key, valueBytes)
            line += ":"
            // The only member that must be a boolean.
            if key == Self.traceSampledKey { line += "\(value)" } else { line.appendJSON(value, valueBytes) }
        }
        // Cloud Logging uses this label to show all lines of one execution together.
        if let execution = metadata["execution_id"] {
            line += ",\"logging.googleapis.com/labels\":"
            line.appendJSON(.dictionary(["execution_id": execution]), valueBytes)
        }
        if event.level >= .warning {
            line += ",\"logging.googleapis.com/sourceLocation\":{\"file\":"
            line.appendJSON(event.file, valueBytes)
            line += ",\"line\":\"\(event.line)\",\"function\":"
            line.appendJSON(event.function, valueBytes)
            line += "}"
        }
        return line + "}\n"
    }

    private func text(_ event: LogEvent, _ metadata: Logger.Metadata, _ valueBytes: Int) -> String {
        var line = "\(LogOutput.now(fractionDigits: 3).dropFirst(11).dropLast()) \(event.level.severity.lowercased()) "
        line.appendVisible(event.message.description, valueBytes)
        for (key, value) in metadata.sorted(by: { $0.key < $1.key }) where !key.contains("/") {
            line += " "
            line.appendVisible(key, valueBytes)
            line += "="
            line.appendVisible("\(value)", valueBytes)
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
    fileprivate mutating func appendJSON(_ value: Logger.MetadataValue, _ limit: Int) {
        switch value {
        case .string(let text): appendJSON(text, limit)
        // Filters and metrics can compare an integer only if it is a JSON number.
        case .stringConvertible(let value as any FixedWidthInteger): self += "\(value)"
        case .stringConvertible(let value): appendJSON(value.description, limit)
        case .array(let values):
            self += "["
            for (index, value) in values.enumerated() {
                if index > 0 { self += "," }
                appendJSON(value, limit)
            }
            self += "]"
        case .dictionary(let members):
            self += "{"
            for (index, (key, value)) in members.sorted(by: { $0.key < $1.key }).enumerated() {
                if index > 0 { self += "," }
                appendJSON(key, limit)
                self += ":"
                appendJSON(value, limit)
            }
            self += "}"
        }
    }

    fileprivate mutating func appendJSON(_ text: String, _ limit: Int) {
        self += "\""
        for scalar in text.cut(to: limit).unicodeScalars {
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

    /// Escapes characters that a terminal would obey or misrepresent: control characters, and those
    /// that change the text's direction.
    fileprivate mutating func appendVisible(_ text: String, _ limit: Int) {
        for scalar in text.cut(to: limit).unicodeScalars {
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate:
                self += "\\u{\(String(scalar.value, radix: 16))}"
            default: unicodeScalars.append(scalar)
            }
        }
    }
}
