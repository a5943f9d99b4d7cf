/// All faults of a configuration.
package struct ConfigurationFaults: Error, Equatable, CustomStringConvertible {
    /// One sentence per fault. Each starts with the variable's name and holds no secret.
    package var faults: [String]

    package var description: String {
        "the configuration has \(faults.count == 1 ? "a fault" : "\(faults.count) faults"):\n" + faults.map { "  - \($0)\n" }.joined()
    }
}
