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
/// Lines that do not fit in the buffer are dropped. A line reports their number once there is room
/// again.
final class LogWriter: Sendable {
    /// The maximum number of waiting bytes.
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

    /// - Parameter dropped: makes the line that reports the number of dropped lines.
    init(descriptor: CInt, dropped: @escaping @Sendable (Int) -> String) {
        self.descriptor = descriptor
        self.dropped = dropped
        // Ignores SIGPIPE, so that a write to a closed pipe fails with an error instead.
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
        // Does nothing if it is running.
        thread.start()
        thread.submit { _ in self.writeWaiting() }
    }

    /// Waits until everything is written, or the time is up.
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
