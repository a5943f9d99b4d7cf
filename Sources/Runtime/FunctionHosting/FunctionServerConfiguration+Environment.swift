import Logging
package import Support

extension FunctionServerConfiguration {
    /// Reads the variables that Cloud Run and Cloud Functions set.
    ///
    /// | variable | | default |
    /// |---|---|---|
    /// | `PORT` | ``port``, 0 to 65,535 | 8080 |
    /// | `HOST` | ``host`` | 0.0.0.0 |
    /// | `LOG_LEVEL` | ``logLevel``: trace, debug, info, notice, warning, error or critical | info |
    /// | `GOOGLE_CLOUD_PROJECT` | ``project`` | none |
    /// | `FUNCTION_TIMEOUT_SECONDS` | ``timeout``, 1 to 3,600 | 30 |
    /// | `FUNCTION_CONCURRENCY` | ``concurrency``, 1 to 10,000 | 80 |
    /// | `LIVENESS_PATH` | ``livenessPath``, such as `/alive` | none |
    /// | `MAX_BODY_BYTES` | ``maximumBodyBytes``, 1 to 1,073,741,824 | 33,554,432 |
    ///
    /// An empty value counts as unset.
    ///
    /// - Throws: ``Faults`` with all faults.
    public init(environment: [String: String]) throws(Faults) {
        var values = EnvironmentValues { environment[$0] }
        self.init(&values)
        guard values.faults.isEmpty else { throw Faults(descriptions: values.faults) }
    }

    /// All faults of an environment.
    public struct Faults: Error, Equatable, CustomStringConvertible {
        /// One sentence per fault. Each begins with the variable's name and quotes no value.
        public let descriptions: [String]

        package init(descriptions: [String]) { self.descriptions = descriptions }

        public var description: String { descriptions.joined(separator: "; ") }
    }

    package init(_ values: inout EnvironmentValues) {
        self.init()
        host = values.value("HOST") ?? host
        port = values.integer("PORT", in: 0...65_535, default: port)
        timeout = .seconds(values.integer("FUNCTION_TIMEOUT_SECONDS", in: 1...3600, default: Int(timeout.components.seconds)))
        concurrency = values.integer("FUNCTION_CONCURRENCY", in: 1...10_000, default: concurrency)
        maximumBodyBytes = values.integer("MAX_BODY_BYTES", in: 1...(1 << 30), default: maximumBodyBytes)
        maximumBodyBytesInFlight = maximumBodyBytes * Self.bodiesInFlight
        livenessPath = values.value("LIVENESS_PATH")
        if let livenessPath, livenessPath.first != "/" { values.fault("LIVENESS_PATH does not begin with a slash") }
        project = values.value("GOOGLE_CLOUD_PROJECT")
        logLevel = values.choice("LOG_LEVEL", of: Logger.Level.allCases.map { ($0.rawValue, $0) }, default: logLevel)
    }
}
