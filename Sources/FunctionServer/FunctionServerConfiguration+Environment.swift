import Logging

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
    /// | `MAX_BODY_BYTES` | ``maximumBodyBytes``, 1 to 1,073,741,824 | 33,554,432 |
    ///
    /// An empty value counts as unset.
    ///
    /// - Throws: ``Faults`` with all faults.
    public init(environment: [String: String]) throws(Faults) {
        var faults: [String] = []
        self.init(faults: &faults) { environment[$0].flatMap { $0.isEmpty ? nil : $0 } }
        guard faults.isEmpty else { throw Faults(descriptions: faults) }
    }

    /// All faults of an environment.
    public struct Faults: Error, Equatable, CustomStringConvertible {
        /// One sentence per fault. Each begins with the variable's name and quotes no value.
        public let descriptions: [String]

        public var description: String { descriptions.joined(separator: "; ") }
    }

    /// - Parameters:
    ///   - faults: receives a sentence for each invalid value.
    ///   - value: returns the value of a variable, if it has one.
    package init(faults: inout [String], _ value: (String) -> String?) {
        func number(_ name: String, in range: ClosedRange<Int>, default defaultValue: Int) -> Int {
            guard let text = value(name) else { return defaultValue }
            if let number = Int(text), range.contains(number) { return number }
            faults.append("\(name) is not a whole number from \(range.lowerBound) to \(range.upperBound)")
            return defaultValue
        }
        self.init(
            host: value("HOST") ?? "0.0.0.0",
            port: number("PORT", in: 0...65_535, default: 8080),
            timeout: .seconds(number("FUNCTION_TIMEOUT_SECONDS", in: 1...3600, default: 30)),
            concurrency: number("FUNCTION_CONCURRENCY", in: 1...10_000, default: 80),
            maximumBodyBytes: number("MAX_BODY_BYTES", in: 1...(1 << 30), default: 32 << 20),
            project: value("GOOGLE_CLOUD_PROJECT")
        )
        guard let level = value("LOG_LEVEL") else { return }
        if let level = Logger.Level(rawValue: level.lowercased()) {
            logLevel = level
        } else {
            faults.append("LOG_LEVEL is none of \(Logger.Level.allCases.map(\.rawValue).joined(separator: ", "))")
        }
    }
}
