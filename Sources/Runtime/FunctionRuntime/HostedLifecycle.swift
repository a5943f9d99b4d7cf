/// What a host asks of every function besides its calls. All of it has a default.
public protocol HostedLifecycle: Sendable {
    /// Runs the function's background work. The host calls it when it starts to take requests, and
    /// cancels it after the last one is answered. It may return earlier. If it throws, the host
    /// stops. The default returns at once.
    func run() async throws

    /// Whether the function makes progress. Asked by a liveness probe, if the host has a path for
    /// it; false lets the platform replace the instance. It must return at once. The default is
    /// true.
    var isAlive: Bool { get }

    /// Called when the host begins to stop. Work in flight is finished; the function must start
    /// nothing that takes long. The default does nothing.
    func shutdownBegan()
}

extension HostedLifecycle {
    public func run() async throws {}
    public var isAlive: Bool { true }
    public func shutdownBegan() {}
}
