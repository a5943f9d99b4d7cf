import FoundationEssentials
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import NIOFoundationEssentialsCompat

/// How an invocation ended, as the caller is told and as it is logged.
struct Answer: Equatable, Sendable {
    var status: HTTPResponse.Status
    /// A stable word for what happened; nil for a success.
    var code: String?
    /// What happened, for a person. It never echoes headers, secrets or payloads.
    var message: String = ""
    var headers: HTTPFields = [:]

    static let done = Answer(status: .noContent)
    static let reservedPath = Answer(status: .notFound, code: "not_found", message: "this path is not the function's")
    static let methodNotAllowed = Answer(
        status: .methodNotAllowed,
        code: "method_not_allowed",
        message: "events are sent with POST",
        headers: [.allow: "POST"]
    )

    static func bodyTooLarge(_ limit: Int) -> Answer {
        Answer(status: .contentTooLarge, code: "body_too_large", message: "the body is longer than \(limit) bytes")
    }

    static func malformed(_ reason: String) -> Answer {
        Answer(status: .badRequest, code: "malformed_envelope", message: reason)
    }

    static func batched(_ reason: String) -> Answer {
        Answer(status: .unsupportedMediaType, code: "batch_not_supported", message: reason)
    }

    static func unprocessable(_ reason: String) -> Answer {
        Answer(status: .unprocessableContent, code: "unprocessable", message: reason)
    }

    static func tryAgain(after: Duration?, _ reason: String) -> Answer {
        var answer = Answer(status: .serviceUnavailable, code: "try_again", message: reason)
        if let after {
            let whole = after.components.seconds + (after.components.attoseconds > 0 ? 1 : 0)
            answer.headers[.retryAfter] = String(max(1, whole))
        }
        return answer
    }

    static let stopping = tryAgain(after: .seconds(1), "the instance is stopping")
    static let outOfTime = Answer(status: .gatewayTimeout, code: "timeout", message: "the function did not end in time")
    static let failed = Answer(
        status: .internalServerError,
        code: "internal",
        message: "the function failed; its log tells why",
        headers: [HTTPField.Name("x-google-status")!: "error"]
    )

    /// How bad it is: what a person has to look at is an error.
    var logLevel: Logger.Level {
        switch status.code {
        case ..<300: .debug
        case 404, 405: .debug
        case 429, 503: .notice
        default: .error
        }
    }
}

extension Response {
    init(_ answer: Answer) {
        var headers = answer.headers
        guard let code = answer.code else {
            self.init(status: answer.status, headers: headers)
            return
        }
        headers[.contentType] = "application/json"
        self.init(status: answer.status, headers: headers, body: .init(byteBuffer: ByteBuffer(data: ErrorBody(code, answer.message).json)))
    }
}

/// `{"error":{"code":…,"message":…}}`
private struct ErrorBody: Encodable {
    struct Content: Encodable { let code: String, message: String }
    let error: Content

    init(_ code: String, _ message: String) { error = Content(code: code, message: message) }

    var json: Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do {
            return try encoder.encode(self)
        } catch {
            preconditionFailure("two strings always encode: \(error)")
        }
    }
}
