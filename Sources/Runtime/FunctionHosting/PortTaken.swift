import HummingbirdCore
import NIOCore

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// The error of a server whose port is in use by another process.
public struct PortTaken: Error, CustomStringConvertible {
    public let port: Int

    public var description: String { "port \(port) is in use: stop the process that listens there, or choose another" }
}

extension Server {
    /// Runs the server on a port.
    ///
    /// - Throws: ``PortTaken`` instead of NIO's error, which does not name the port.
    func run(port: Int) async throws {
        do {
            try await run()
        } catch let error as IOError where error.errnoCode == EADDRINUSE {
            throw PortTaken(port: port)
        }
    }
}
