import Foundation
import FunctionRuntime
import HTTPTypes

/// Answers a posted name with thanks.
struct Guestbook: HTTPFunction {
    func respond(to request: HTTPRequest, body: Data, context: FunctionContext) async throws -> FunctionResponse {
        guard request.method == .post else { return FunctionResponse(status: .methodNotAllowed, headerFields: [.allow: "POST"]) }
        guard let name = String(data: body, encoding: .utf8), !name.isEmpty else { return FunctionResponse(status: .badRequest) }
        return FunctionResponse(status: .ok, headerFields: [.contentType: "text/plain"], body: Data("thank you, \(name)".utf8))
    }
}
