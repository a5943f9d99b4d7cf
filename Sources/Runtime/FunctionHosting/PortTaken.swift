import HummingbirdCore
import NIOCore

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// A server cannot listen, because another process listens on its port.
public struct PortTaken: Error, CustomStringConvertible {
    public let port: Int

    public var description: String { "port \(port) is taken: end what listens there, or choose another" }
}

extension Server {
    /// Runs the server on a port.
    ///
    /// - Throws: ``PortTaken`` in place of NIO's error, which does not name the port.
    func run(port: Int) async throws {
        do {
            try await run()
        } catch let error as IOError where error.errnoCode == EADDRINUSE {
            throw PortTaken(port: port)
        }
    }
}
