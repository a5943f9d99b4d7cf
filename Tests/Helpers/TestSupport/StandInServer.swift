package import HummingbirdCore
import Logging
import FunctionHosting
import ServiceLifecycle

/// Serves on a loopback port while the body runs, as a stand-in for a service that the product calls.
///
/// - Parameter port: 0 picks a free port.
package func withStandIn(
    port: Int = 0,
    _ respond: @escaping @Sendable (Request) async throws -> Response,
    _ body: @escaping @Sendable (_ url: String) async throws -> Void
) async throws {
    let (ports, listens) = AsyncStream.makeStream(of: Int.self)
    let logger = Logger(label: "stand-in") { _ in SwiftLogNoOpLogHandler() }
    let server = LoopbackServer(port: port, logger: logger, onListening: { listens.yield($0) }, respond: respond)
    try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await server.run() }
        var iterator = ports.makeAsyncIterator()
        let port = await iterator.next()!
        try await body("http://127.0.0.1:\(port)")
        group.cancelAll()
    }
}
