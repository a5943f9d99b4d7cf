import FunctionRuntime
import HTTPTypes
import Support
import Logging

/// The execution of one request.
struct Execution: Sendable {
    /// Identifies this execution in the logs.
    let id: String
    let trace: TraceContext?
    let deadline: ContinuousClock.Instant
    private let parent: Logger
    private let project: String?

    init(_ headers: HTTPFields, _ configuration: FunctionServerConfiguration, _ logger: Logger) {
        id = headers.value(.functionExecutionID).flatMap { Self.isPlain($0) ? $0 : nil } ?? Self.randomID()
        trace = TraceContext(headers)
        deadline = .now + configuration.timeout
        parent = logger
        project = configuration.project
    }

    /// A logger with all metadata of the execution. Make it once, when all of that is known: each
    /// later addition copies the metadata.
    func logger(messageID: String? = nil, deliveryAttempt: Int? = nil) -> Logger {
        var logger = parent
        logger[metadataKey: "execution_id"] = "\(id)"
        if let messageID { logger[metadataKey: "message_id"] = "\(messageID.forLog)" }
        if let deliveryAttempt { logger[metadataKey: "delivery_attempt"] = "\(deliveryAttempt)" }
        for (key, value) in trace?.metadata(project: project) ?? [:] { logger[metadataKey: key] = value }
        return logger
    }

    /// Accepts only a plain id, because the caller's text is logged.
    private static func isPlain(_ text: String) -> Bool {
        (1...64).contains(text.utf8.count) && text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-" || $0 == "_") }
    }

    private static func randomID() -> String {
        var random = UInt64.random(in: .min ... .max)
        let digits = (0..<12).map { _ in
            defer { random /= 36 }
            return idDigits[Int(random % 36)]
        }
        return String(digits)
    }

    private static let idDigits = Array("0123456789abcdefghijklmnopqrstuvwxyz")
}

extension HTTPField.Name {
    static let functionExecutionID = HTTPField.Name("function-execution-id")!
}
