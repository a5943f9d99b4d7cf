import FoundationEssentials

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

    package static let loopbackHosts: Set = ["127.0.0.1", "localhost", "[::1]", "::1"]

    /// `NAME`, or the content of the file that `NAME_FILE` names, without line breaks at its end.
    package mutating func secret(_ name: String) -> String? {
        switch (value(name), value(name + "_FILE")) {
        case (_?, _?):
            fault("\(name) and \(name)_FILE are both set: keep one")
            return ""
        case (let secret?, nil):
            return checked(secret, name)
        case (nil, let path?):
            guard let data = try? Data(contentsOf: URL(filePath: path)), let text = String(data: data, encoding: .utf8) else {
                fault("\(name)_FILE cannot be read")
                return ""
            }
            return checked(String(text.reversed().drop(while: \.isNewline).reversed()), name + "_FILE")
        case (nil, nil):
            return nil
        }
    }

    /// Checks a secret, which goes into a header. A line break would end the header.
    private mutating func checked(_ secret: String, _ name: String) -> String {
        if secret.isEmpty || !secret.utf8.allSatisfy({ (0x21...0x7e).contains($0) }) {
            fault("\(name) is empty or has characters that no token has")
        }
        return secret
    }

    /// Whether a secret may be sent to this URL: over TLS, or within the machine.
    package static func isSafe(_ text: String) -> Bool {
        guard let url = URLComponents(string: text), let host = url.host, !host.isEmpty, url.user == nil else { return false }
        return url.scheme == "https" || (url.scheme == "http" && loopbackHosts.contains(host))
    }

    package mutating func url(_ name: String, default defaultValue: String? = nil) -> String {
        guard let text = defaultValue.map({ value(name) ?? $0 }) ?? required(name) else { return "" }
        if Self.isSafe(text) { return text.hasSuffix("/") ? String(text.dropLast()) : text }
        fault("\(name) is not an https URL (http is for loopback addresses only)")
        return ""
    }
}
