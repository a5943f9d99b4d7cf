public import Logging

/// The address and limits of a function server.
public struct FunctionServerConfiguration: Equatable, Sendable {
    /// The address to listen on; a loopback address for local work.
    public var host: String
    /// The port to listen on; 0 takes a free one.
    public var port: Int
    /// The time limit of one invocation, from the arrival of the request's head.
    public var timeout: Duration
    /// The limit of invocations in flight; further ones are answered 429.
    public var concurrency: Int
    /// The time limit for a request to arrive, from its first byte to its last. Never longer than
    /// `timeout`.
    public var readTimeout: Duration
    /// How long a connection may idle between two requests. Google's load balancers keep theirs for
    /// ten minutes. The client should close first, because a request that crosses the server's
    /// close is lost.
    public var idleTimeout: Duration
    /// How long requests in flight may continue after shutdown begins. Cloud Run kills the
    /// container ten seconds after SIGTERM.
    public var drainTime: Duration
    /// The maximum length of a request body, in bytes.
    public var maximumBodyBytes: Int
    /// The limit of request bytes held at once; further requests are answered 429. Unfinished
    /// requests count, the first 16 KB of each request do not. A request costs several times its
    /// length in memory. The default is four times the longest body.
    public var maximumBodyBytesInFlight: Int
    /// The limit of open connections; further ones wait until one is closed. It is lower if the
    /// process may not open as many files.
    public var maximumConnections: Int
    /// How many of the longest bodies may be held at once by default.
    static let bodiesInFlight = 4

    /// The path, such as `/alive`, on which a GET is answered 204 while the function is alive
    /// (`FunctionHandler.isAlive`) and 503 otherwise. Nil for none: every path is the function's.
    public var livenessPath: String?
    /// The level of the logger that a server makes if it is given none.
    public var logLevel: Logger.Level
    /// The Google Cloud project, which log lines need to name their trace.
    public var project: String?

    public init(
        host: String = "0.0.0.0",
        port: Int = 8080,
        timeout: Duration = .seconds(30),
        concurrency: Int = 80,
        readTimeout: Duration = .seconds(20),
        idleTimeout: Duration = .seconds(620),
        drainTime: Duration = .seconds(8),
        maximumBodyBytes: Int = 32 << 20,
        maximumBodyBytesInFlight: Int? = nil,
        maximumConnections: Int = 1500,
        livenessPath: String? = nil,
        logLevel: Logger.Level = .info,
        project: String? = nil
    ) {
        self.host = host
        self.port = port
        self.timeout = timeout
        self.concurrency = concurrency
        self.readTimeout = readTimeout
        self.idleTimeout = idleTimeout
        self.drainTime = drainTime
        self.maximumBodyBytes = maximumBodyBytes
        self.maximumBodyBytesInFlight = maximumBodyBytesInFlight ?? maximumBodyBytes * Self.bodiesInFlight
        self.maximumConnections = maximumConnections
        self.livenessPath = livenessPath
        self.logLevel = logLevel
        self.project = project
    }
}
