import FoundationEssentials
import FunctionRuntime
import HTTPTypes
import Logging
import NIOCore
import NIOFoundationEssentialsCompat
import Synchronization
import Support

/// The outcome of a request, as sent to the caller and as logged. Thrown if the request ends before
/// its handler is called.
struct Answer: Error, Equatable, Sendable {
    var status: HTTPResponse.Status
    /// A stable error code; nil for a success.
    var code: String?
    /// The reason, for a person. It never echoes headers, secrets or payloads.
    var message: String = ""
    var headers: HTTPFields = [:]
    /// The body of an HTTP function's own answer.
    var content: Data?

    static let done = Answer(status: .noContent)
    static let reservedPath = Answer(status: .notFound, code: "not_found", message: "this path is reserved")
    static let hanging = Answer(status: .serviceUnavailable, code: "not_alive", message: "the function makes no progress")
    static let methodNotAllowed = Answer(
        status: .methodNotAllowed,
        code: "method_not_allowed",
        message: "events are sent with POST",
        headers: [.allow: "POST"]
    )
    static let concurrencyLimitReached = Answer(
        status: .tooManyRequests,
        code: "too_many_requests",
        message: "concurrency limit reached",
        headers: [.retryAfter: "1"]
    )

    static let tooManyBytes = Answer(
        status: .tooManyRequests,
        code: "too_many_bytes",
        message: "limit of request bytes in flight reached",
        headers: [.retryAfter: "1"]
    )

    /// The request's read timeout expired.
    static let slowRequest = Answer(status: .requestTimeout, code: "request_timeout", message: "request read timed out")
    static let malformedRequest = Answer(
        status: .badRequest,
        code: "malformed_request",
        message: "not a valid HTTP/1.1 request, or beyond its limits"
    )
    static let outOfTime = Answer(status: .gatewayTimeout, code: "timeout", message: "the function timed out")
    /// The drain time of a stopping server expired.
    static let stopping = tryAgain(after: .seconds(1), "the instance is stopping")
    /// Only logged: no client is left to read it.
    static let clientGone = tryAgain(after: .seconds(1), "the client closed the connection before the answer")

    static func bodyTooLarge(_ limit: Int) -> Answer {
        Answer(status: .contentTooLarge, code: "body_too_large", message: "the body is longer than \(limit) bytes")
    }

    static func malformed(_ reason: String) -> Answer {
        Answer(status: .badRequest, code: "malformed_envelope", message: reason)
    }

    static func batched(_ reason: String) -> Answer {
        Answer(status: .unsupportedMediaType, code: "batch_not_supported", message: reason)
    }

    static func unsupportedMediaType(_ reason: String) -> Answer {
        Answer(status: .unsupportedMediaType, code: "unsupported_media_type", message: reason)
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

    static let failed = Answer(
        status: .internalServerError,
        code: "internal",
        message: "the function failed: see its log",
        headers: [HTTPField.Name("x-google-status")!: "error"]
    )
}

extension Answer {
    init(_ rejection: CallerRejection) {
        switch rejection {
        case .unauthenticated(let reason):
            self.init(status: .unauthorized, code: "unauthenticated", message: reason, headers: [.wwwAuthenticate: "Bearer"])
        case .forbidden(let reason):
            self.init(status: .forbidden, code: "forbidden", message: reason)
        case .unavailable(let after, let reason):
            self = .tryAgain(after: after, reason)
        }
    }

    /// The log level. An error needs a person's attention.
    fileprivate var logLevel: Logger.Level {
        switch status.code {
        case ..<300: .debug
        case 404, 405: .debug
        // Any caller can cause these.
        case 401, 403, 408, 429, 503: .notice
        default: .error
        }
    }
}

extension Logger {
    /// Logs one line for an answer that is not a success.
    func log(_ answer: Answer) {
        guard let code = answer.code else { return }
        log(
            level: answer.logLevel,
            "request refused",
            metadata: ["status": "\(answer.status.code)", "code": "\(code)", "reason": "\(answer.message)"]
        )
    }
}

extension Answer {
    var head: HTTPResponse {
        var fields = headers
        fields[.date] = CurrentDate.text
        if code != nil { fields[.contentType] = "application/json" }
        if code != nil || content != nil, !isBodiless { fields[.contentLength] = String(body.readableBytes) }
        return HTTPResponse(status: status, headerFields: fields)
    }

    /// Source: RFC 9110, section 6.4.1.
    private var isBodiless: Bool { [204, 205, 304].contains(status.code) }

    /// `{"error":{"code":…,"message":…}}`, an HTTP function's own body, or nothing.
    var body: ByteBuffer {
        guard let code else { return isBodiless ? ByteBuffer() : content.map { ByteBuffer(data: $0) } ?? ByteBuffer() }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do {
            return ByteBuffer(data: try encoder.encode(["error": ["code": code, "message": message]]))
        } catch {
            preconditionFailure("strings always encode: \(error)")
        }
    }
}

/// The `Date` header's text, written once a second.
private enum CurrentDate {
    private static let last = Mutex<(seconds: Int64, text: String)>((.min, ""))

    static var text: String {
        let now = Int64(Date().timeIntervalSince1970)
        return last.withLock { last in
            if last.seconds != now { last = (now, HTTPDate.text(seconds: now)) }
            return last.text
        }
    }
}
