/// Where a function listens and what it bears.
public struct FunctionServerConfiguration: Equatable, Sendable {
    /// The address to listen on; a loopback address for local work.
    public var host: String
    /// The port to listen on; 0 takes a free one.
    public var port: Int
    /// How long one invocation may take, from the arrival of the request's head.
    public var timeout: Duration
    /// How long requests in flight may go on after the server was told to stop. Cloud Run kills the container ten seconds after SIGTERM.
    public var drainTime: Duration
    /// The longest request body, in bytes.
    public var maximumBodyBytes: Int
    /// The Google Cloud project, which log lines need to name their trace.
    public var project: String?

    public init(
        host: String = "0.0.0.0",
        port: Int = 8080,
        timeout: Duration = .seconds(30),
        drainTime: Duration = .seconds(8),
        maximumBodyBytes: Int = 32 << 20,
        project: String? = nil
    ) {
        self.host = host
        self.port = port
        self.timeout = timeout
        self.drainTime = drainTime
        self.maximumBodyBytes = maximumBodyBytes
        self.project = project
    }
}
