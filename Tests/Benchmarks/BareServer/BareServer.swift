import Foundation
import Hummingbird
import Logging

/// Hummingbird alone: reads the body and answers 204. What it costs, no function on it can save.
@main
enum BareServer {
    static func main() async throws {
        let port = ProcessInfo.processInfo.environment["PORT"].flatMap { Int($0) } ?? 8080
        var logger = Logger(label: "bare")
        logger.logLevel = .notice
        let application = Application(
            responder: CallbackResponder { (request: Request, _: BasicRequestContext) in
                _ = try await request.body.collect(upTo: 32 << 20)
                return Response(status: .noContent)
            },
            configuration: .init(address: .hostname("127.0.0.1", port: port)),
            logger: logger
        )
        try await application.runService()
    }
}
