import HTTPTypes
import Logging

/// One request on its way through the server.
struct Execution: Sendable {
    /// Identifies this execution in the logs.
    let id: String
    var logger: Logger
    private let started = ContinuousClock.now
    private let timeout: Duration

    init(_ headers: HTTPFields, _ configuration: FunctionServerConfiguration, _ logger: Logger) {
        id = headers[.functionExecutionID].flatMap { Self.isPlain($0) ? $0 : nil } ?? Self.randomID()
        timeout = configuration.timeout
        self.logger = logger
        self.logger[metadataKey: "execution_id"] = "\(id)"
        for (key, value) in TraceContext(headers)?.metadata(project: configuration.project) ?? [:] {
            self.logger[metadataKey: key] = value
        }
    }

    var timeRemaining: Duration { timeout - (ContinuousClock.now - started) }

    /// What a caller sends ends in the log, so only what can be an id is taken.
    private static func isPlain(_ text: String) -> Bool {
        (1...64).contains(text.utf8.count) && text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-" || $0 == "_") }
    }

    private static func randomID() -> String {
        var random = UInt64.random(in: .min ... .max)
        return String(unsafeUninitializedCapacity: 12) { text in
            for index in 0..<12 {
                let digit = UInt8(random % 36)
                text[index] = digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10
                random /= 36
            }
            return 12
        }
    }
}

extension HTTPField.Name {
    static let functionExecutionID = HTTPField.Name("function-execution-id")!
}
