/// Reads environment variables and collects their faults, so that all are reported at once. Empty
/// means unset.
package struct EnvironmentValues {
    private let variable: (String) -> String?
    /// One sentence per fault. Each begins with the variable's name and quotes no value.
    package private(set) var faults: [String] = []

    /// - Parameter variable: the value of a variable.
    package init(_ variable: @escaping (String) -> String?) { self.variable = variable }

    package func value(_ name: String) -> String? { variable(name).flatMap { $0.isEmpty ? nil : $0 } }

    package mutating func fault(_ sentence: String) { faults.append(sentence) }

    package mutating func required(_ name: String) -> String? {
        let value = value(name)
        if value == nil { fault("\(name) is missing") }
        return value
    }

    package mutating func integer(_ name: String, in range: ClosedRange<Int>, default defaultValue: Int) -> Int {
        guard let text = value(name) else { return defaultValue }
        if let number = Int(text), range.contains(number) { return number }
        fault("\(name) is not a whole number from \(range.lowerBound) to \(range.upperBound)")
        return defaultValue
    }

    package mutating func choice<Value>(_ name: String, of choices: [(String, Value)], default defaultValue: Value) -> Value {
        guard let text = value(name) else { return defaultValue }
        if let choice = choices.first(where: { $0.0 == text.lowercased() }) { return choice.1 }
        fault("\(name) is none of \(choices.map(\.0).joined(separator: ", "))")
        return defaultValue
    }

    package mutating func flag(_ name: String, default defaultValue: Bool) -> Bool {
        choice(name, of: [("true", true), ("false", false)], default: defaultValue)
    }
}
