#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Stands in for the standard library's `Mutex` where the thread sanitizer looks on.
///
/// On Linux the standard library's sleeps in the kernel, and is handed over there when two threads
/// want it at once: no instruction that the sanitizer sees orders the two, and it reports races
/// that are none. A mutex of POSIX threads it knows.
public struct Mutex<Value: ~Copyable>: ~Copyable {
    private let storage: Storage

    private final class Storage {
        let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
        let value = UnsafeMutablePointer<Value>.allocate(capacity: 1)

        init(_ initial: consuming Value) {
            pthread_mutex_init(mutex, nil)
            value.initialize(to: initial)
        }

        deinit {
            value.deinitialize(count: 1).deallocate()
            pthread_mutex_destroy(mutex)
            mutex.deallocate()
        }
    }

    public init(_ initial: consuming sending Value) { storage = Storage(initial) }

    public borrowing func withLock<Result: ~Copyable, Failure: Error>(
        _ body: (inout sending Value) throws(Failure) -> sending Result
    ) throws(Failure) -> sending Result {
        pthread_mutex_lock(storage.mutex)
        defer { pthread_mutex_unlock(storage.mutex) }
        return try body(&storage.value.pointee)
    }
}

extension Mutex: @unchecked Sendable where Value: ~Copyable {}
