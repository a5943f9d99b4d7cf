import FunctionRuntime
import FoundationEssentials
import HTTPTypes
import HummingbirdCore
import NIOCore
import NIOFoundationEssentialsCompat
import ServiceLifecycle
import Support

/// Forwards pushes to the function. Records each push and its answer, and changes neither.
struct PushTap: Sendable {
    /// The transport to the function.
    let function: LoopbackHTTP
    let journal: Journal
    /// How long a push waits for a function that does not listen.
    var patience = Duration.seconds(10)

    /// Fields that belong to one connection.
    private static let hopByHop: Set<HTTPField.Name> = [.connection, .contentLength, .transferEncoding, .te, .trailer, .upgrade]

    /// - Parameter path: the path for the function.
    func forward(_ request: Request, path: String) async throws -> Response {
        let body = Data(buffer: try await request.body.collect(upTo: 32 << 20))
        let delivery = observe(request, body)
        let fields = request.headers.filter { !Self.hopByHop.contains($0.name) }.map { (name: $0.name.rawName, value: $0.value) }
        do throws(OutboundError) {
            let answer = try await answer(to: OutboundRequest(.post, path, headers: fields, body: body))
            if let delivery {
                let text = String(decoding: answer.body, as: UTF8.self)
                journal.answered(delivery.messageID, delivery.index, status: answer.status, body: text)
            }
            var headers = HTTPFields()
            for (name, value) in answer.headers {
                if let name = HTTPField.Name(name), !Self.hopByHop.contains(name) { headers[name] = value }
            }
            return Response(status: .init(code: answer.status), headers: headers, body: .init(byteBuffer: ByteBuffer(data: answer.body)))
        } catch {
            if let delivery { journal.answered(delivery.messageID, delivery.index, status: nil, body: "the function cannot be reached") }
            return Response(status: .badGateway)
        }
    }

    /// Waits for a function that does not listen yet, as Cloud Run does for an instance that starts.
    private func answer(to request: OutboundRequest) async throws(OutboundError) -> OutboundResponse {
        let end = ContinuousClock.now + patience
        while true {
            do throws(OutboundError) {
                return try await function.send(request, timeout: .seconds(120))
            } catch {
                guard case .notSent = error, ContinuousClock.now < end, !Task.isShuttingDownGracefully,
                    (try? await Task.sleep(for: .milliseconds(100))) != nil
                else { throw error }
            }
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
