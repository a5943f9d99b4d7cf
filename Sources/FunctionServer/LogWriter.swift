import NIOPosix
import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Writes lines to a file descriptor on its own thread. A slow or stopped reader never blocks a
/// caller.
///
/// What there is no room for is dropped, and counted in a line once there is room again.
final class LogWriter: Sendable {
    /// How many bytes of lines wait at most.
    static let maximumBytes = 1 << 20

    private let descriptor: CInt
    private let thread = NIOThreadPool(numberOfThreads: 1)
    private let state = Mutex(State())
    private let dropped: @Sendable (Int) -> String

    private struct State {
        var waiting: [UInt8] = []
        var dropped = 0
        var isWriting = false
    }

    /// - Parameter dropped: the line that tells how many lines were dropped.
    init(descriptor: CInt, dropped: @escaping @Sendable (Int) -> String) {
        self.descriptor = descriptor
        self.dropped = dropped
        // A reader that has gone away shows as an error of the write.
        _ = signal(SIGPIPE, SIG_IGN)
    }

    deinit { thread.shutdownGracefully { _ in } }

    func write(_ line: String) {
        let begins = state.withLock { state in
            guard state.waiting.count + line.utf8.count <= Self.maximumBytes else {
                state.dropped += 1
                return false
            }
            state.waiting.append(contentsOf: line.utf8)
            defer { state.isWriting = true }
            return !state.isWriting
        }
        guard begins else { return }
        // Does nothing where it runs.
        thread.start()
        thread.submit { _ in self.writeWaiting() }
    }

    /// Waits until everything is written, or the time is over.
    func flush(within time: Duration) {
        let end = ContinuousClock.now + time
        while state.withLock(\.isWriting), ContinuousClock.now < end { usleep(1000) }
    }

    private func writeWaiting() {
        while let bytes = take() { bytes.withUnsafeBytes(write) }
    }

    private func take() -> [UInt8]? {
        state.withLock { state in
            guard !state.waiting.isEmpty || state.dropped > 0 else {
                state.isWriting = false
                return nil
            }
            var bytes: [UInt8] = []
            swap(&bytes, &state.waiting)
            if state.dropped > 0 { bytes.append(contentsOf: dropped(state.dropped).utf8) }
            state.dropped = 0
            return bytes
        }
    }

    private func write(_ bytes: UnsafeRawBufferPointer) {
        var rest = bytes
        while !rest.isEmpty {
            let count = systemWrite(descriptor, rest.baseAddress, rest.count)
            if count > 0 {
                rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(count))
                continue
            }
            switch errno {
            case EINTR: continue
            case EAGAIN:
                var poller = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                _ = poll(&poller, 1, 1000)
            default: return
            }
        }
    }
}

private func systemWrite(_ descriptor: CInt, _ bytes: UnsafeRawPointer?, _ count: Int) -> Int { write(descriptor, bytes, count) }
