package import HummingbirdCore
package import Logging
package import NIOCore
import Synchronization

/// A child channel that closes an accepted connection if nothing handles it.
///
/// A stopping server may have accepted a connection that it will not handle. NIO traps if the
/// connection's writer is dropped unfinished, which would end the process and every request in
/// flight.
package struct AcceptedConnections<Base: ServerChildChannel>: ServerChildChannel {
    private let base: Base

    package init(_ base: Base) { self.base = base }

    package final class Value: ServerChildChannelValue {
        private let base: Base
        private let value: Base.Value
        private let logger: Logger
        private let isHandled = Mutex(false)

        package var channel: any Channel { value.channel }

        fileprivate init(base: Base, value: Base.Value, logger: Logger) {
            self.base = base
            self.value = value
            self.logger = logger
        }

        fileprivate func handle() async {
            isHandled.withLock { $0 = true }
            await base.handle(value: value, logger: logger)
        }

        deinit {
            guard !isHandled.withLock({ $0 }) else { return }
            value.channel.close(promise: nil)
            // The only unstructured task. Handling the closed connection finishes its writer, and
            // no task is left to wait for that.
            Task { [base, value, logger] in await base.handle(value: value, logger: logger) }
        }
    }

    package func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        base.setup(channel: channel, logger: logger).map { [base] in Value(base: base, value: $0, logger: logger) }
    }

    package func handle(value: Value, logger: Logger) async { await value.handle() }
}
