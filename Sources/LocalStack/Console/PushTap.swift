import AsyncHTTPClient
import FunctionRuntime
import FoundationEssentials
import HTTPTypes
import HummingbirdCore
import NIOCore
import NIOFoundationEssentialsCompat
import NIOHTTP1

/// Stands before the function, takes down each push and its answer, and changes neither.
struct PushTap: Sendable {
    let client: HTTPClient
    /// Where the function listens, without a path.
    let functionURL: String
    let journal: Journal

    /// Fields that belong to one connection.
    private static let hopByHop: Set<HTTPField.Name> = [.connection, .contentLength, .transferEncoding, .te, .trailer, .upgrade]

    /// - Parameter path: the path for the function.
    func forward(_ request: Request, path: String) async throws -> Response {
        let body = Data(buffer: try await request.body.collect(upTo: 32 << 20))
        let delivery = observe(request, body)
        var forwarded = HTTPClientRequest(url: functionURL + path)
        forwarded.method = .POST
        for field in request.headers where !Self.hopByHop.contains(field.name) {
            forwarded.headers.add(name: field.name.rawName, value: field.value)
        }
        forwarded.body = .bytes(ByteBuffer(data: body))
        do {
            let answer = try await client.execute(forwarded, timeout: .seconds(120))
            let answerBody = try await answer.body.collect(upTo: 1 << 20)
            if let delivery {
                journal.answered(delivery.messageID, delivery.index, status: Int(answer.status.code), body: String(buffer: answerBody))
            }
            var headers = HTTPFields()
            for (name, value) in answer.headers {
                if let name = HTTPField.Name(name), !Self.hopByHop.contains(name) { headers[name] = value }
            }
            return Response(status: .init(code: Int(answer.status.code)), headers: headers, body: .init(byteBuffer: answerBody))
        } catch {
            if let delivery { journal.answered(delivery.messageID, delivery.index, status: nil, body: "the function cannot be reached") }
            return Response(status: .badGateway)
        }
    }

    private func observe(_ request: Request, _ body: Data) -> (messageID: String, index: Int)? {
        guard let event = try? CloudEvent(request.head, body: body), let message = try? PubSubMessage(event) else { return nil }
        let head = request.headers.map { "\($0.name): \($0.value)" }.joined(separator: "\n")
        let index = journal.delivered(
            message.id,
            attempt: message.deliveryAttempt,
            data: message.data,
            isSweep: message.attributes["task"] == "sweep",
            head: head,
            body: body
        )
        return (message.id, index)
    }
}
