import FunctionRuntime
import HTTPTypes
import Support
import Logging
import NIOCore

/// The execution of one request.
struct Execution: Sendable {
    /// Identifies this execution in the logs.
    let id: String
    private let parent: Logger
    private let trace: Logger.Metadata
    private let deadline: NIODeadline

    init(_ headers: HTTPFields, _ configuration: FunctionServerConfiguration, _ logger: Logger) {
        id = headers.value(.functionExecutionID).flatMap { Self.isPlain($0) ? $0 : nil } ?? Self.randomID()
        deadline = .now() + TimeAmount(configuration.timeout)
        parent = logger
        trace = TraceContext(headers)?.metadata(project: configuration.project) ?? [:]
    }

    /// A logger with all metadata of the execution. Make it once, when all of that is known: each
    /// later addition copies the metadata.
    func logger(messageID: String? = nil, deliveryAttempt: Int? = nil) -> Logger {
        var logger = parent
        logger[metadataKey: "execution_id"] = "\(id)"
        if let messageID { logger[metadataKey: "message_id"] = "\(messageID.forLog)" }
        if let deliveryAttempt { logger[metadataKey: "delivery_attempt"] = "\(deliveryAttempt)" }
        for (key, value) in trace { logger[metadataKey: key] = value }
        return logger
    }

    var timeRemaining: Duration { Duration(deadline - .now()) }

    /// Accepts only a plain id, because the caller's text is logged.
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
